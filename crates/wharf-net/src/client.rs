//! Requests and answers. Nothing is followed, repeated or read beyond a limit unless the caller says so.

use std::{
    error::Error,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::{header::HeaderValue, redirect};

use crate::{
    address::Address,
    error::NetError,
    public::{self, NotPublic, PublicOnly},
    tls,
};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server may be silent: while it takes a body, before its answer, and while it gives one.
const STALL: Duration = Duration::from_secs(60);

/// How long a server may think about a body that it has taken as a whole: registries move large blobs then.
const THINK: Duration = Duration::from_secs(300);

/// What a client is made with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub roots: Roots,
    pub proxy: Proxy,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// In place of the built-in ones (Mozilla's).
    pub bundle: Option<Pem>,
    /// Besides them.
    pub extra: Vec<Pem>,
}

/// Certificates in PEM form, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pem {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The proxies of this machine. This machine itself is never asked through one.
#[derive(Clone, Default)]
pub struct Proxy {
    /// For `http` addresses.
    pub http: Option<String>,
    /// For `https` addresses.
    pub https: Option<String>,
    /// Hosts that are asked directly, as `NO_PROXY` has them.
    pub except: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Their addresses may hold passwords.
        f.debug_struct("Proxy").field("except", &self.except).finish_non_exhaustive()
    }
}

/// An HTTP client; a copy shares its connections.
#[derive(Clone)]
pub struct Client {
    anywhere: reqwest::Client,
    /// Reaches hosts of the public network only.
    public: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it is made of shows the addresses of proxies.
        f.write_str("Client")
    }
}

impl Client {
    /// Returns a client with these settings.
    ///
    /// # Errors
    /// When roots or proxy cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, NetError> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().expect("TLS is configured, and nothing else can fail")
        };
        let proxies = [&settings.proxy.http, &settings.proxy.https];
        let resolver = PublicOnly::beside(proxies.into_iter().flatten().map(String::as_str));
        let anywhere = build(builder(settings)?);
        let public = build(builder(settings)?.dns_resolver(Arc::new(resolver)));
        Ok(Self { anywhere, public })
    }

    /// Sends a request and returns the answer, whatever its status, when its head is there.
    ///
    /// # Errors
    /// When nobody is there, the certificate is not trusted, or the server is silent for too long.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let Request { method, address, headers, body, reach } = request;
        let client = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Public => {
                public::check_number(&address).map_err(|error| not_public(&address, error))?;
                &self.public
            }
        };
        let mut builder = client.request(method.into(), address.url().clone());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let progress = Arc::new(Progress::default());
        match body {
            Body::Empty => {}
            Body::Bytes(bytes) => builder = builder.body(bytes),
            Body::Stream { size, pieces } => {
                builder = builder.header(reqwest::header::CONTENT_LENGTH, size);
                progress.left.store(size, Ordering::Relaxed);
                let progress = progress.clone();
                let pieces = pieces.inspect(move |piece| progress.took(piece));
                builder = builder.body(reqwest::Body::wrap_stream(pieces));
            }
        }
        tokio::select! {
            answer = builder.send() => match answer {
                Ok(inner) => Ok(Response { inner, address }),
                Err(error) => Err(no_answer(&address, &error)),
            },
            silent = progress.stalled() => {
                Err(NetError::Timeout { url: address.to_string(), secs: silent.as_secs() })
            }
        }
    }
}

fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, NetError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::config(&settings.roots)?)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .no_proxy();
    for proxy in proxies(&settings.proxy)? {
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// This machine itself, as a list of exceptions has it.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

fn proxies(settings: &Proxy) -> Result<Vec<reqwest::Proxy>, NetError> {
    let except = settings.except.as_deref().unwrap_or_default();
    let except = reqwest::NoProxy::from_string(&format!("{LOOPBACK},{except}"));
    let mut proxies = Vec::new();
    if let Some(address) = &settings.http {
        proxies.push(reqwest::Proxy::http(address).map_err(|_| no_proxy(address))?);
    }
    if let Some(address) = &settings.https {
        proxies.push(reqwest::Proxy::https(address).map_err(|_| no_proxy(address))?);
    }
    Ok(proxies.into_iter().map(|proxy| proxy.no_proxy(except.clone())).collect())
}

/// An address of a proxy may hold a password, so an error shows what comes after it.
fn no_proxy(address: &str) -> NetError {
    NetError::Proxy { text: address.rsplit('@').next().unwrap_or_default().to_owned() }
}

/// How far a body has been taken, and when the last piece was.
#[derive(Debug)]
struct Progress {
    began: Instant,
    last_ms: AtomicU64,
    left: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { began: Instant::now(), last_ms: AtomicU64::new(0), left: AtomicU64::new(0) }
    }
}

impl Progress {
    fn took(&self, piece: &io::Result<Bytes>) {
        let size = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let left = self.left.load(Ordering::Relaxed).saturating_sub(size);
        self.left.store(left, Ordering::Relaxed);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// Returns once the server was silent for too long.
    async fn stalled(&self) -> Duration {
        loop {
            let limit = if self.left.load(Ordering::Relaxed) > 0 { STALL } else { THINK };
            let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            let silent = self.began.elapsed().saturating_sub(last);
            if silent >= limit {
                return silent;
            }
            tokio::time::sleep((limit - silent).min(Duration::from_secs(5))).await;
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// Which hosts are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Anywhere,
    /// Those of the public network: not this machine, and no private one.
    Public,
}

/// One request.
pub struct Request {
    method: Method,
    address: Address,
    headers: Vec<(&'static str, HeaderValue)>,
    body: Body,
    reach: Reach,
}

/// What is sent.
pub enum Body {
    Empty,
    Bytes(Bytes),
    /// Exactly so many bytes; an error in them ends the request.
    Stream {
        size: u64,
        pieces: BoxStream<'static, io::Result<Bytes>>,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { size, .. } => write!(f, "Stream({size})"),
        }
    }
}

impl Request {
    /// Returns a request without headers and body.
    pub fn new(method: Method, address: Address) -> Self {
        let (headers, body, reach) = (Vec::new(), Body::Empty, Reach::Anywhere);
        Self { method, address, headers, body, reach }
    }

    /// Returns where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Adds a header; a value that no header can hold is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds the header `Authorization`, which is never shown.
    #[must_use]
    pub fn authorization(mut self, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.push(("authorization", value));
        }
        self
    }

    /// Sets which hosts are asked; of a request that a proxy passes on, the proxy decides.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The head of an answer; its body is still to be read.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    address: Address,
}

impl Response {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// Returns where the answer comes from.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns all headers of that name that are text.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let values = self.inner.headers().get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
    }

    /// Reads the body, at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, the connection breaks, or the server is silent for too long.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, NetError> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if piece.len() > limit - body.len() {
                return Err(NetError::TooLarge { url: self.address.to_string(), limit });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// Reads the beginning of the body, and leaves the rest; what cannot be read is left out.
    pub async fn beginning(mut self, limit: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < limit
            && let Ok(Some(piece)) = self.piece().await
        {
            body.extend_from_slice(&piece[..piece.len().min(limit - body.len())]);
        }
        body.freeze()
    }

    /// Reads the next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks, or the server is silent for too long.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, NetError> {
        match tokio::time::timeout(STALL, self.inner.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(no_answer(&self.address, &error)),
            Err(_) => {
                Err(NetError::Timeout { url: self.address.to_string(), secs: STALL.as_secs() })
            }
        }
    }
}

/// Says why a request failed, in the words of its deepest cause: those between repeat the address.
fn no_answer(address: &Address, error: &reqwest::Error) -> NetError {
    let url = address.to_string();
    let mut deepest: &(dyn Error + 'static) = error;
    while let Some(deeper) = cause(deepest) {
        deepest = deeper;
    }
    match deepest.downcast_ref() {
        Some(rustls::Error::InvalidMessage(_)) => return NetError::NotTls { url },
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            return NetError::Certificate { url, source: error.to_string().into() };
        }
        _ => {}
    }
    if let Some(NotPublic(number)) = deepest.downcast_ref() {
        return not_public(address, NotPublic(*number));
    }
    // The type of this error is nobody's but the client's.
    if deepest.to_string().contains("proxy authorization required") {
        return NetError::ProxyPassword { url };
    }
    if error.is_timeout() {
        return NetError::Timeout { url, secs: CONNECT.as_secs() };
    }
    NetError::Unreachable { url, source: deepest.to_string().into() }
}

fn not_public(address: &Address, error: NotPublic) -> NetError {
    NetError::NotPublic { origin: address.origin(), source: error.into() }
}

/// Returns the next deeper error. An `io::Error` passes over the one that it wraps, so that one is taken out.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside),
        // Why a certificate is not trusted says less than that it is not.
        None if error.is::<rustls::Error>() => None,
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    /// Answers each connection once, and passes on the first line of each request.
    fn server() -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = [0; 4096];
                let count = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..count]).into_owned();
                sender.send(text.lines().next().unwrap_or_default().to_owned()).ok();
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        (address, receiver)
    }

    async fn get(settings: &Settings, url: &str) -> Result<Bytes, NetError> {
        let request = Request::new(Method::Get, url.parse()?);
        Client::new(settings)?.send(request).await?.bytes(10).await
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_others_and_never_for_this_machine() {
        let (proxy, asked) = server();
        let (here, _seen) = server();
        let proxy = Proxy {
            http: Some(format!("http://{proxy}")),
            except: Some("direct.invalid".to_owned()),
            https: None,
        };
        let settings = Settings { proxy, ..Settings::default() };
        get(&settings, "http://reg.example/x").await.unwrap();
        assert_eq!(asked.recv().unwrap(), "GET http://reg.example/x HTTP/1.1");
        get(&settings, &format!("http://{here}/x")).await.unwrap();
        // Nobody has that name; what matters is who is asked for it.
        get(&settings, "http://direct.invalid/x").await.ok();
        assert!(asked.try_recv().is_err(), "the proxy was asked for more");
    }

    #[tokio::test]
    async fn a_server_without_tls_is_told_from_a_wrong_certificate() {
        let (address, _seen) = server();
        let error = get(&Settings::default(), &format!("https://{address}/")).await.unwrap_err();
        assert!(matches!(error, NetError::NotTls { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn more_than_the_limit_is_not_read() {
        let (address, _seen) = server();
        let request = Request::new(Method::Get, format!("http://{address}/").parse().unwrap());
        let answer = Client::new(&Settings::default()).unwrap().send(request).await.unwrap();
        let error = answer.bytes(1).await.unwrap_err();
        assert!(matches!(error, NetError::TooLarge { limit: 1, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_host_that_others_named_is_not_asked_on_this_machine() {
        let (address, asked) = server();
        let port = address.rsplit_once(':').unwrap().1;
        let client = Client::new(&Settings::default()).unwrap();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
            let url = format!("http://{host}:{port}/");
            let request = Request::new(Method::Get, url.parse().unwrap()).reach(Reach::Public);
            let error = client.send(request).await.unwrap_err();
            assert!(matches!(error, NetError::NotPublic { .. }), "{url}: {error:?}");
            assert!(!error.is_passing());
        }
        assert!(asked.try_recv().is_err(), "it was asked");
    }

    #[tokio::test]
    async fn a_proxy_may_be_on_this_machine_for_hosts_that_others_named() {
        let (proxy, asked) = server();
        let port = proxy.rsplit_once(':').unwrap().1;
        let http = Some(format!("http://localhost:{port}"));
        let settings =
            Settings { proxy: Proxy { http, ..Proxy::default() }, ..Settings::default() };
        let request = Request::new(Method::Get, "http://blobs.example/x".parse().unwrap());
        let client = Client::new(&settings).unwrap();
        client.send(request.reach(Reach::Public)).await.unwrap();
        assert_eq!(asked.recv().unwrap(), "GET http://blobs.example/x HTTP/1.1");
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let pem = Pem { name: "ca.pem".to_owned(), bytes: b"hello".to_vec() };
        let roots = Roots { bundle: None, extra: vec![pem] };
        let error = Client::new(&Settings { roots, ..Settings::default() }).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let proxy = Proxy { http: Some("http://me:s3cret@proxy/".to_owned()), ..Proxy::default() };
        let settings = Settings { proxy: proxy.clone(), ..Settings::default() };
        let client = Client::new(&settings).unwrap();
        let address = "http://reg/".parse().unwrap();
        let request = Request::new(Method::Get, address).authorization("Bearer s3cret");
        assert!(!format!("{proxy:?} {client:?} {request:?}").contains("s3cret"));
    }
}
