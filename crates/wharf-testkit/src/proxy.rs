//! A proxy of a test: lets one user in, and leads each host that it knows to a port of this machine.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::tls::{header, read_head};

/// It takes `CONNECT` alone (RFC 9110, 9.3.6), as is asked for hosts with TLS.
#[derive(Debug)]
pub struct Proxy {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    authorization: String,
    /// `registry.example:443` → where it is.
    hosts: BTreeMap<String, SocketAddr>,
    heads: Mutex<Vec<String>>,
}

impl Proxy {
    /// Starts a proxy that lets `me:PASSWORD` in.
    ///
    /// # Panics
    /// When the machine gives no port.
    pub fn start(pair: &str, hosts: impl IntoIterator<Item = (&'static str, SocketAddr)>) -> Self {
        let shared = Arc::new(Shared {
            authorization: format!("Basic {}", STANDARD.encode(pair)),
            hosts: hosts.into_iter().map(|(host, at)| (format!("{host}:443"), at)).collect(),
            heads: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
        let host = listener.local_addr().expect("it has one").to_string();
        let own = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = own.clone();
                // A client that leaves is no failure of the test.
                thread::spawn(move || shared.serve(client).ok());
            }
        });
        Self { host, shared }
    }

    /// Returns the heads of all requests so far, as they came.
    ///
    /// # Panics
    /// When the proxy has panicked.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("the proxy lives").clone()
    }

    /// Returns the hosts that were asked for, each once.
    pub fn hosts(&self) -> Vec<String> {
        let named = |head: &String| head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut hosts: Vec<_> = self.heads().iter().map(named).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let head = read_head(&mut client)?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let host = text.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let known = host.and_then(|host| self.hosts.get(host)).copied();
        let is_let_in = header(&head, "proxy-authorization") == Some(&self.authorization);
        self.heads.lock().expect("the proxy lives").push(text);
        let refusal = match known {
            _ if !is_let_in => {
                "407 Who Are You\r\nproxy-authenticate: Basic realm=\"the tests\"\r\n"
            }
            None => "502 Nobody Has That Name\r\n",
            Some(at) => return tunnel(client, TcpStream::connect(at)?),
        };
        write!(client, "HTTP/1.1 {refusal}content-length: 0\r\nconnection: close\r\n\r\n")
    }
}

/// Passes on bytes both ways until both sides have said all.
fn tunnel(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 Go On\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let sending = thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)?;
    sending.join().ok();
    Ok(())
}
