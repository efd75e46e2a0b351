//! Connections: their limits, and how they end.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;

use crate::patience::Patience;

/// Most open connections; those beyond wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4_096;

/// Largest head of a request, and most headers in it.
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// How long requests that run may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Pause after a failed accept: out of file handles, most likely, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until `closed`, serves them until `stop`, then lets what runs finish.
///
/// `stop` closes, too: `closed` is that token or a child of it.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    closed: CancellationToken,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener, &permits) => match accepted {
                Ok((stream, permit)) => {
                    let router = router.clone();
                    let watcher = graceful.watcher();
                    connections.spawn(async move {
                        connection(stream, router, patience, watcher).await;
                        drop(permit);
                    });
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    stop.cancelled().await;
    // Past the deadline the rest is cut off, when the set is dropped.
    time::timeout(DRAIN, graceful.shutdown()).await.ok();
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, router: Router, patience: Patience, watcher: Watcher) {
    let (stream, timer) = patience.with(stream);
    let mut http = http1::Builder::new();
    http.timer(timer)
        // That there is a limit; how much it is, the timer says.
        .header_read_timeout(patience.head)
        .max_header_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .half_close(false);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client that breaks the connection is no event of ours.
    watcher.watch(connection).await.ok();
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server with a route that answers the body's length, and one that takes its time.
    async fn server() -> (JoinSet<()>, CancellationToken, u16) {
        server_with(Patience::DEFAULT).await
    }

    async fn server_with(patience: Patience) -> (JoinSet<()>, CancellationToken, u16) {
        let slow = || async {
            time::sleep(Duration::from_millis(300)).await;
            "done"
        };
        let router = Router::new()
            .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, router, patience, stop.clone(), stop.clone()));
        (tasks, stop, port)
    }

    async fn send(port: u16, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (_tasks, _stop, port) = server().await;
        let head = format!("GET /slow HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        let text = answer(send(port, head.as_bytes()).await).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    }

    #[tokio::test]
    async fn a_length_that_lies_does_not_stop_others() {
        let (_tasks, _stop, port) = server().await;
        let short = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc";
        let waiting = send(port, short).await;
        let fine = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        assert!(answer(send(port, fine).await).await.ends_with("\r\n\r\n3"));
        drop(waiting);
        let two = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc";
        assert!(answer(send(port, two).await).await.starts_with("HTTP/1.1 400"));
    }

    const fn millis(idle: u64, head: u64) -> Patience {
        Patience { idle: Duration::from_millis(idle), head: Duration::from_millis(head) }
    }

    /// Sends one request and reads its answer; the connection stays.
    async fn one_request(stream: &mut TcpStream) {
        stream
            .write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await
            .unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n3") {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "the connection is closed");
        }
    }

    /// Returns how long the server keeps a connection on which nothing comes.
    async fn closed_after(mut stream: TcpStream) -> Duration {
        let begun = time::Instant::now();
        let mut rest = Vec::new();
        let read = time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        // It may also be reset: there is nothing to be told to whoever says nothing.
        read.expect("it is closed").ok();
        begun.elapsed()
    }

    #[tokio::test]
    async fn an_idle_connection_is_kept_longer_than_a_head_may_take() {
        let (_tasks, _stop, port) = server_with(millis(1_000, 100)).await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        for _ in 0..2 {
            one_request(&mut stream).await;
            time::sleep(Duration::from_millis(400)).await;
        }
        one_request(&mut stream).await;
        assert!(closed_after(stream).await >= Duration::from_millis(900));
    }

    #[tokio::test]
    async fn a_head_that_has_begun_must_go_on() {
        let (_tasks, _stop, port) = server_with(millis(20_000, 300)).await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        one_request(&mut stream).await;
        // Byte after byte does not make it longer.
        for byte in b"GET /" {
            stream.write_all(&[*byte]).await.unwrap();
            time::sleep(Duration::from_millis(20)).await;
        }
        assert!(closed_after(stream).await < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_connection_must_begin_to_say_something() {
        let (_tasks, _stop, port) = server_with(millis(20_000, 200)).await;
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert!(closed_after(stream).await < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_request_that_runs_is_not_idle() {
        let (_tasks, _stop, port) = server_with(millis(50, 50)).await;
        let slow = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert!(answer(send(port, slow).await).await.ends_with("done"));
    }

    #[tokio::test]
    async fn what_runs_is_finished_and_nothing_new_begins() {
        let (mut tasks, stop, port) = server().await;
        let running = send(port, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
        let text = answer(running).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("done"), "{text}");
        assert!(text.contains("connection: close"), "{text}");
        assert_eq!(answer(idle).await, "");
        tasks.join_next().await.unwrap().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
}
