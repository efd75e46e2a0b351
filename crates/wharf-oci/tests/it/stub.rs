//! A registry in memory (distribution-spec 1.1, what a push needs of it), and manners to put before it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use wharf_net::client::{Client, Settings};
use wharf_oci::{
    descriptor::{INDEX, digest_of},
    image::{Image, NamedLayer, RunConfig},
    keychain::{Credential, Keychain},
    layer::{Content, Entry, Layer, Mode},
    registry::{Access, CHUNK, PlainHttp, Registry, error::RegistryError},
};
use wharf_spec::secret::Secret;

/// The password of every test; it must never be seen where it does not belong.
pub(crate) const PASSWORD: &str = "hunter2-s3cret";

/// `ann:hunter2-s3cret`, as Basic has it.
pub(crate) const BASIC: &str = "Basic YW5uOmh1bnRlcjItczNjcmV0";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// How many bytes of the body were read.
    pub(crate) size: u64,
}

impl Seen {
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What a manner answers.
pub(crate) enum Answer {
    /// As a registry should.
    Normal,
    /// Status, headers, body.
    With(u16, Vec<(&'static str, String)>, String),
    /// As a registry should, but that the line breaks after so many bytes of the answer's body.
    Part(u64),
    /// A body without end.
    Endless(u16),
    /// The connection is cut after so many bytes of the request's body.
    Cut(u64),
    /// The body is kept up to so many bytes, and the connection is cut.
    KeepAndCut(u64),
}

/// Decides about a request, which is the nth (from 0) of its method and path.
pub(crate) type Manner = Arc<dyn Fn(&Seen, usize) -> Answer + Send + Sync>;

/// What the registry holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) manifests: BTreeMap<String, Vec<u8>>,
    sessions: BTreeMap<String, Vec<u8>>,
}

pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Manner,
    held: Mutex<Held>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    written: AtomicU64,
    ended: AtomicBool,
    lists: AtomicBool,
}

impl Stub {
    pub(crate) fn start(manner: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manner: Arc::new(manner),
            held: Mutex::default(),
            seen: Mutex::default(),
            connections: AtomicU64::new(0),
            written: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            lists: AtomicBool::new(false),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let shared = serving.clone();
                // A client that leaves is no failure of the test.
                thread::spawn(move || shared.talk(stream).ok());
            }
        });
        Self { address, shared }
    }

    /// Lets it list what is attached to an image (distribution-spec 1.1).
    pub(crate) fn that_lists(self) -> Self {
        self.shared.lists.store(true, Ordering::SeqCst);
        self
    }

    /// A server that nobody should ever talk to.
    pub(crate) fn trap() -> Self {
        Self::start(|_, _| Answer::With(200, Vec::new(), "{\"token\": \"t\"}".to_owned()))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that were written.
    pub(crate) fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, part)).count()
    }

    pub(crate) fn held<T>(&self, read: impl FnOnce(&Held) -> T) -> T {
        read(&self.shared.held.lock().unwrap())
    }

    /// Connects as `ann`.
    pub(crate) async fn connect(&self) -> Result<Registry, RegistryError> {
        self.connect_with(|_| {}).await
    }

    pub(crate) async fn connect_with(
        &self,
        change: impl FnOnce(&mut Access),
    ) -> Result<Registry, RegistryError> {
        let mut access = access();
        change(&mut access);
        let host = self.address.to_string().parse().unwrap();
        Registry::connect_as(host, Some(ann()), &access).await
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        while let Some(mut seen) = read_head(&mut reader)? {
            let length = seen.headers.get("content-length").and_then(|text| text.parse().ok());
            let length: u64 = length.unwrap_or(0);
            let earlier = {
                let all = self.seen.lock().unwrap();
                all.iter().filter(|old| old.method == seen.method && old.path == seen.path).count()
            };
            let answer = (self.manner)(&seen, earlier);
            let keep = match &answer {
                Answer::Cut(keep) | Answer::KeepAndCut(keep) => length.min(*keep),
                _ => length,
            };
            let mut body = Vec::new();
            (&mut reader).take(keep).read_to_end(&mut body)?;
            seen.size = body.len() as u64;
            self.seen.lock().unwrap().push(seen.clone());
            match answer {
                Answer::Normal => self.normal(&seen, body, &mut writer, u64::MAX)?,
                Answer::Part(bytes) => return self.normal(&seen, body, &mut writer, bytes),
                Answer::With(status, headers, text) => {
                    self.reply(&mut writer, &seen, status, &headers, text.as_bytes(), u64::MAX)?;
                }
                Answer::Endless(status) => return self.endless(&mut writer, status),
                Answer::Cut(_) => return Ok(()),
                Answer::KeepAndCut(_) => {
                    self.append(&seen, &body);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn endless(&self, writer: &mut TcpStream, status: u16) -> std::io::Result<()> {
        write!(writer, "HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let piece = [b' '; 1 << 16];
        loop {
            write!(writer, "{:x}\r\n", piece.len())?;
            writer.write_all(&piece)?;
            writer.write_all(b"\r\n")?;
            self.written.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    }

    fn reply(
        &self,
        writer: &mut TcpStream,
        seen: &Seen,
        status: u16,
        headers: &[(&str, String)],
        body: &[u8],
        most: u64,
    ) -> std::io::Result<()> {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        write!(writer, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}\r\n")?;
        if seen.method != "HEAD" {
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(body.len());
            writer.write_all(&body[..most])?;
        }
        Ok(())
    }

    fn append(&self, seen: &Seen, body: &[u8]) {
        let mut held = self.held.lock().unwrap();
        let session = session_of(&seen.path).to_owned();
        held.sessions.entry(session).or_default().extend_from_slice(body);
    }

    fn normal(
        &self,
        seen: &Seen,
        body: Vec<u8>,
        writer: &mut TcpStream,
        most: u64,
    ) -> std::io::Result<()> {
        let path = seen.path.split('?').next().unwrap_or_default();
        let (status, headers, body) = match seen.method.as_str() {
            _ if path == "/v2/" => (200, vec![], vec![]),
            _ if path.starts_with("/token") => (200, vec![], b"{\"token\": \"t\"}".to_vec()),
            "POST" => self.open(path, &seen.path),
            "PATCH" => {
                self.append(seen, &body);
                (202, vec![("location", format!("{path}?state=next"))], vec![])
            }
            "PUT" if path.contains("/manifests/") => {
                let mut headers = vec![("docker-content-digest", digest_of(&body).to_string())];
                if self.lists.load(Ordering::SeqCst)
                    && let Some(subject) = subject(&body)
                {
                    headers.push(("oci-subject", subject));
                }
                let parent = path.rsplit_once('/').map_or(path, |(parent, _)| parent);
                let digest = digest_of(&body);
                let mut held = self.held.lock().unwrap();
                held.manifests.insert(format!("{parent}/{digest}"), body.clone());
                held.manifests.insert(path.to_owned(), body);
                (201, headers, vec![])
            }
            "PUT" => self.finish(seen, &body),
            _ if path.contains("/referrers/") && self.lists.load(Ordering::SeqCst) => {
                self.referrers(path)
            }
            _ => self.find(path),
        };
        let from = seen.headers.get("range").filter(|_| status == 200);
        let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let Some(from) = from.and_then(|from| from.parse::<usize>().ok()) else {
            return self.reply(writer, seen, status, &headers, &body, most);
        };
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        let headers = [("content-range", range)];
        self.reply(writer, seen, 206, &headers, &body[from..], most)
    }

    fn open(&self, path: &str, full: &str) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let mut held = self.held.lock().unwrap();
        let repository = repository_of(path);
        let parameter = |name: &str| query(full, name);
        if let (Some(digest), Some(from)) = (parameter("mount"), parameter("from"))
            && let Some(blob) = held.blobs.get(&format!("{from}@{digest}")).cloned()
        {
            held.blobs.insert(format!("{repository}@{digest}"), blob);
            return (201, vec![], vec![]);
        }
        let session = format!("{}", held.sessions.len());
        held.sessions.insert(session.clone(), Vec::new());
        (202, vec![("location", format!("{path}{session}?state=first"))], vec![])
    }

    fn finish(&self, seen: &Seen, body: &[u8]) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        self.append(seen, body);
        let mut held = self.held.lock().unwrap();
        let blob = held.sessions.remove(session_of(&seen.path)).unwrap_or_default();
        let digest = query(&seen.path, "digest").unwrap_or_default();
        if digest_of(&blob).to_string() != digest {
            return (400, vec![], b"{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}".to_vec());
        }
        held.blobs.insert(format!("{}@{digest}", repository_of(&seen.path)), blob);
        (201, vec![], vec![])
    }

    fn referrers(&self, path: &str) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let wanted = path.rsplit('/').next();
        let held = self.held.lock().unwrap();
        let of_image = held.manifests.values().filter(|bytes| subject(bytes).as_deref() == wanted);
        let listed: Vec<_> = of_image
            .map(|bytes| {
                let manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                serde_json::json!({
                    "mediaType": manifest["mediaType"],
                    "digest": digest_of(bytes).to_string(),
                    "size": bytes.len(),
                    "artifactType": manifest["artifactType"],
                    "annotations": manifest["annotations"].as_object().cloned().unwrap_or_default(),
                })
            })
            .collect();
        let index =
            serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed});
        (200, vec![("content-type", INDEX.to_owned())], index.to_string().into_bytes())
    }

    fn find(&self, path: &str) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let held = self.held.lock().unwrap();
        if let Some(session) =
            held.sessions.get(session_of(path)).filter(|_| path.contains("/uploads/"))
        {
            let range = format!("0-{}", session.len().saturating_sub(1));
            return (
                204,
                vec![("range", range), ("location", format!("{path}?state=again"))],
                vec![],
            );
        }
        if let Some(manifest) = held.manifests.get(path) {
            let digest = digest_of(manifest).to_string();
            let document: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
            let media_type = document["mediaType"].as_str().unwrap_or_default().to_owned();
            let headers = vec![("docker-content-digest", digest), ("content-type", media_type)];
            return (200, headers, manifest.clone());
        }
        let digest = path.rsplit('/').next().unwrap_or_default();
        match held.blobs.get(&format!("{}@{digest}", repository_of(path))) {
            Some(blob) => (200, vec![], blob.clone()),
            None => (404, vec![], vec![]),
        }
    }
}

/// The digest of the image that a manifest is attached to.
fn subject(manifest: &[u8]) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    manifest["subject"]["digest"].as_str().map(str::to_owned)
}

fn repository_of(path: &str) -> &str {
    let path = path.strip_prefix("/v2/").unwrap_or(path);
    path.split("/blobs/").next().unwrap_or(path)
}

fn session_of(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

fn query(path: &str, name: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

/// Reads a request's head; `None` when the client has left, or speaks something else.
fn read_head(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut seen = Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: BTreeMap::new(),
        size: 0,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Ok(Some(seen))
}

pub(crate) fn access() -> Access {
    Access {
        client: Client::new(&Settings::default()).unwrap(),
        keychain: Keychain::default(),
        plain_http: PlainHttp::Allowed,
        token_hosts: Vec::new(),
        storage_hosts: Vec::new(),
        chunk: CHUNK,
    }
}

pub(crate) fn ann() -> Credential {
    Credential::Password { user: "ann".to_owned(), password: Secret::new(PASSWORD.to_owned()) }
}

/// An image of one layer of a few MiB.
pub(crate) fn image() -> Image {
    image_of(Content::Bytes((0..3 << 20).map(|at| (at % 251) as u8).collect()))
}

pub(crate) fn image_of(content: Content) -> Image {
    let entry = Entry { path: "model/weights.bin".to_owned(), mode: Mode::Plain, content };
    let layer = NamedLayer { title: "weights".to_owned(), layer: Layer::new(vec![entry]) };
    Image::new(vec![layer], &RunConfig::default(), "amd64").unwrap()
}
