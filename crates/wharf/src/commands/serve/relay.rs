//! A port that stays while the server behind it is replaced: each connection goes to whoever serves when it comes.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Pause after a failed accept: out of file handles, most likely, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Passes connections on to the port of the server that is current, for ever.
pub(super) async fn relay(listener: TcpListener, current: watch::Receiver<u16>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let port = *current.borrow();
                    connections.spawn(async move {
                        // Whoever breaks the connection off, the other side sees its end.
                        pass(client, port).await.ok();
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn pass(mut client: TcpStream, port: u16) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers each connection with a word, when it is asked to go on.
    async fn server(word: &'static str) -> (JoinSet<()>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0];
                stream.read_exact(&mut asked).await.unwrap();
                stream.write_all(word.as_bytes()).await.unwrap();
            }
        });
        (tasks, port)
    }

    async fn rest(stream: &mut TcpStream) -> String {
        stream.write_all(b"?").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_connection_stays_with_the_server_it_began_with() {
        let ((_old, old), (_new, new)) = (server("old").await, server("new").await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (current, seen) = watch::channel(old);
        let mut relays = JoinSet::new();
        relays.spawn(relay(listener, seen));
        let mut before = TcpStream::connect(address).await.unwrap();
        before.writable().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        current.send(new).unwrap();
        let mut after = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest(&mut after).await, "new");
        assert_eq!(rest(&mut before).await, "old");
    }
}
