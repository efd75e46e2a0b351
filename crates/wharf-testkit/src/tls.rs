//! TLS before a plain server of a test, with a certificate whose authority nobody knows.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// The authority; `data/tls/make` has made it.
pub const AUTHORITY: &str = include_str!("../data/tls/ca.pem");

/// Starts a server that passes each request on to `plain`, and returns where it listens. Its certificate is for `localhost`,
/// 127.0.0.1, `registry.example` and `packages.example`.
///
/// # Panics
/// When the machine gives no port.
pub fn before(plain: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    let address = listener.local_addr().expect("it has one");
    let config = Arc::new(config());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            // A client that leaves, or believes nothing, is no failure of the test.
            thread::spawn(move || exchange(config, client, plain).ok());
        }
    });
    address
}

fn config() -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/tls/host.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/tls/host.key"));
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("it is a certificate")],
            key.expect("it is a key"),
        )
        .expect("they belong together")
}

/// Passes on one request and its answer. One connection is for one of them: a stream of TLS cannot be read and written by
/// two threads.
fn exchange(config: Arc<ServerConfig>, client: TcpStream, plain: SocketAddr) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, client);
    let head = read_head(&mut client)?;
    let mut server = TcpStream::connect(plain)?;
    server.write_all(&head)?;
    io::copy(&mut (&mut client).take(content_length(&head)), &mut server)?;
    server.shutdown(Shutdown::Write)?;

    let head = read_head(&mut server)?;
    client.write_all(&head[..head.len() - END.len()])?;
    client.write_all(b"\r\nconnection: close\r\n\r\n")?;
    io::copy(&mut server, &mut client)?;
    client.conn.send_close_notify();
    client.flush()
}

const END: &[u8] = b"\r\n\r\n";

/// Reads up to and with the empty line.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(END) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// Returns the value of a header.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = str::from_utf8(head).ok()?.lines();
    let mut pairs = lines.filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn content_length(head: &[u8]) -> u64 {
    header(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
}
