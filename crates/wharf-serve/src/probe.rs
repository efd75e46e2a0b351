//! `probe`: asks a server on this machine whether it is ready. The health check of images without a shell.

use std::{
    io::{self, Read, Write, stderr},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use crate::args::ProbeArgs;

const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Longest answer that is read.
const MAX_ANSWER: u64 = 65_536;

/// The exit code when the server says that it will never be ready.
const FAILED: u8 = 3;

/// Why a server is not ready.
#[derive(Debug, PartialEq, Eq)]
enum NotReady {
    /// It may be, later.
    Yet(String),
    /// Its model does not load; waiting is of no use.
    Ever(String),
}

/// Asks once, or until the server is ready, has failed, or the patience is over.
pub(crate) fn probe(args: &ProbeArgs, default_port: u16) -> ExitCode {
    let port = args.port.unwrap_or(default_port);
    let end = Instant::now() + Duration::from_secs(args.wait_secs);
    loop {
        // The engine keeps what a health check prints.
        match ask(port) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(NotReady::Ever(detail)) => {
                writeln!(stderr(), "{detail}").ok();
                return ExitCode::from(FAILED);
            }
            Err(NotReady::Yet(detail)) if Instant::now() >= end => {
                writeln!(stderr(), "{detail}").ok();
                return ExitCode::FAILURE;
            }
            Err(NotReady::Yet(_)) => thread::sleep(PAUSE),
        }
    }
}

/// Asks `/readyz`; the error says how the server is instead.
fn ask(port: u16) -> Result<(), NotReady> {
    let answer = get(port, "/readyz")
        .map_err(|error| NotReady::Yet(format!("no answer on port {port}: {error}")))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(());
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let said = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    Err(match (said("status").as_str(), said("detail")) {
        ("failed", detail) => NotReady::Ever(detail),
        (state, detail) if detail.is_empty() => {
            NotReady::Yet(format!("not ready ({status}) {state}"))
        }
        (state, detail) => NotReady::Yet(format!("{state}: {detail}")),
    })
}

fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    // In one piece: a server may answer, and close, after the first.
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&v4, CONNECT)
        .or_else(|error| TcpStream::connect_timeout(&v6, CONNECT).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes.
    fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn ready_is_200_and_everything_else_says_why() {
        assert_eq!(ask(server("HTTP/1.1 200 OK\r\n\r\n{}")), Ok(()));
        let starting =
            "HTTP/1.1 503 x\r\n\r\n{\"status\":\"starting\",\"detail\":\"loading the model\"}";
        let yet = |text: &str| Err(NotReady::Yet(text.to_owned()));
        assert_eq!(ask(server(starting)), yet("starting: loading the model"));
        assert_eq!(ask(server("SMTP")), yet("not ready () "));
        let failed = "HTTP/1.1 503 x\r\n\r\n{\"status\":\"failed\",\"detail\":\"no module\"}";
        assert_eq!(ask(server(failed)), Err(NotReady::Ever("no module".to_owned())));
    }

    #[test]
    fn a_port_where_nobody_listens_is_named() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Err(NotReady::Yet(why)) = ask(port) else { panic!("nobody listens") };
        assert!(why.starts_with(&format!("no answer on port {port}")), "{why}");
    }
}
