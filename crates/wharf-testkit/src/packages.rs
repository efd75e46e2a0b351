//! Tiny Python packages: wheels made by hand, and an index that serves them as a test wants.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// A wheel with one module, whose `VERSION` is the version.
#[derive(Debug, Clone)]
pub struct Wheel {
    pub file_name: String,
    pub bytes: Vec<u8>,
}

impl Wheel {
    /// Makes a wheel; `requires` are lines such as `beta>=1`.
    pub fn new(name: &str, version: &str, tags: &str, requires: &[&str]) -> Self {
        let info = format!("{name}-{version}.dist-info");
        let requires: String =
            requires.iter().map(|line| format!("Requires-Dist: {line}\n")).collect();
        let files = [
            (format!("{name}.py"), format!("VERSION = {version:?}\n")),
            (
                format!("{info}/METADATA"),
                format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"),
            ),
            (
                format!("{info}/WHEEL"),
                format!(
                    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tags}\n"
                ),
            ),
            (
                format!("{info}/RECORD"),
                format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"),
            ),
        ];
        Self { file_name: format!("{name}-{version}-{tags}.whl"), bytes: zip(&files) }
    }

    /// Returns the SHA-256 of the file in hex digits.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the file into a folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(&self.file_name);
        fs::write(&path, &self.bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

/// Writes an archive of uncompressed files.
fn zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut archive, mut table) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let start = length(archive.len());
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        head.extend(crc32(text.as_bytes()).to_le_bytes());
        head.extend([length(text.len()), length(text.len())].concat());
        head.extend([&length(name.len())[..2], &[0, 0]].concat());
        table.extend(
            [b"PK\x01\x02\x14\0".as_slice(), &head, &[0; 10], &start, name.as_bytes()].concat(),
        );
        archive
            .extend([b"PK\x03\x04".as_slice(), &head, name.as_bytes(), text.as_bytes()].concat());
    }
    let (count, size, start) = (length(files.len()), length(table.len()), length(archive.len()));
    archive.extend(table);
    archive.extend(
        [b"PK\x05\x06\0\0\0\0".as_slice(), &count[..2], &count[..2], &size, &start, &[0, 0]]
            .concat(),
    );
    archive
}

fn length(of: usize) -> [u8; 4] {
    u32::try_from(of).expect("tests make small files").to_le_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// What was asked, and with which `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET /simple/alpha/`.
    pub line: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
}

/// An index of packages (PEP 503) on this machine; it ends with the test.
#[derive(Debug)]
pub struct Index {
    /// `127.0.0.1:PORT`.
    pub host: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    password: Option<String>,
    asked: Vec<Asked>,
    cuts: usize,
    moved: BTreeMap<String, String>,
}

impl Index {
    /// Starts an index of these wheels.
    ///
    /// # Panics
    /// When the machine gives no port.
    pub fn start(wheels: impl IntoIterator<Item = Wheel>) -> Self {
        let files = wheels.into_iter().map(|wheel| (wheel.file_name, wheel.bytes)).collect();
        let shared = Arc::new(Mutex::new(Shared { files, ..Shared::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
        let host = listener.local_addr().expect("it has one").to_string();
        let own = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = own.clone();
                thread::spawn(move || while answer(&stream, &shared).is_some() {});
            }
        });
        Self { host, shared }
    }

    /// Lets only this user in: `me:PASSWORD`.
    #[must_use]
    pub fn with_password(self, pair: &str) -> Self {
        self.change(|shared| shared.password = Some(format!("Basic {}", STANDARD.encode(pair))));
        self
    }

    /// Breaks the connection in the middle of so many downloads.
    pub fn cut(&self, times: usize) {
        self.change(|shared| shared.cuts = times);
    }

    /// Puts another content in place of a file.
    pub fn replace(&self, file_name: &str, bytes: &[u8]) {
        self.change(|shared| shared.files.insert(file_name.to_owned(), bytes.to_vec()));
    }

    /// Sends who asks for a file elsewhere.
    pub fn redirect(&self, file_name: &str, to: &str) {
        self.change(|shared| shared.moved.insert(format!("/files/{file_name}"), to.to_owned()));
    }

    /// Returns what was asked so far.
    ///
    /// # Panics
    /// When the index has panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().expect("the index lives").asked.clone()
    }

    /// Returns the address of a file.
    pub fn file(&self, file_name: &str) -> String {
        format!("http://{}/files/{file_name}", self.host)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Shared) -> T) {
        drop(change(&mut self.shared.lock().expect("the index lives")));
    }
}

/// Answers one request; `None` when the connection is at its end.
fn answer(stream: &TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    let lines: Vec<String> = {
        let reader = BufReader::new(stream.try_clone().ok()?);
        reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect()
    };
    let header = |name: &str| {
        let named = |line: &&String| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        lines.iter().find(named).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let (method, path) = lines.first()?.rsplit_once(' ')?.0.split_once(' ')?;
    let (authorization, range) = (header("authorization"), header("range"));
    let mut shared = shared.lock().ok()?;
    let line = format!("{method} {path}");
    shared.asked.push(Asked { line, authorization: authorization.clone(), range: range.clone() });
    let mut reply = if shared.password.is_some() && shared.password != authorization {
        Reply::empty(401, &["www-authenticate: Basic realm=\"test\""])
    } else {
        shared.reply(path, range.as_deref())
    };
    let is_cut =
        shared.cuts > 0 && reply.body.len() > 100 && method == "GET" && path.starts_with("/files/");
    shared.cuts -= usize::from(is_cut);
    drop(shared);
    let mut stream = stream;
    reply.headers.push(format!("content-length: {}", reply.body.len()));
    let head = format!("HTTP/1.1 {} x\r\n{}\r\n\r\n", reply.status, reply.headers.join("\r\n"));
    stream.write_all(head.as_bytes()).ok()?;
    let sent = match (method, is_cut) {
        ("HEAD", _) => 0,
        (_, true) => reply.body.len() / 2,
        _ => reply.body.len(),
    };
    stream.write_all(&reply.body[..sent]).ok()?;
    if is_cut {
        stream.shutdown(std::net::Shutdown::Both).ok();
        return None;
    }
    Some(())
}

struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Reply {
    fn empty(status: u16, headers: &[&str]) -> Self {
        let headers = headers.iter().map(|line| (*line).to_owned()).collect();
        Self { status, headers, body: Vec::new() }
    }
}

impl Shared {
    fn reply(&self, path: &str, range: Option<&str>) -> Reply {
        if let Some(to) = self.moved.get(path) {
            return Reply::empty(302, &[&format!("location: {to}")]);
        }
        if let Some(name) = path.strip_prefix("/files/") {
            return self.file(name, range);
        }
        let package = path.strip_prefix("/simple/").unwrap_or_default().trim_end_matches('/');
        let links: String = self
            .files
            .iter()
            .filter(|(name, _)| name.split('-').next() == Some(package))
            .map(|(name, bytes)| {
                let wheel = Wheel { file_name: name.clone(), bytes: bytes.clone() };
                format!("<a href=\"/files/{name}#sha256={}\">{name}</a>\n", wheel.sha256())
            })
            .collect();
        if links.is_empty() {
            return Reply::empty(404, &[]);
        }
        Reply {
            status: 200,
            headers: vec!["content-type: text/html".to_owned()],
            body: links.into_bytes(),
        }
    }

    fn file(&self, name: &str, range: Option<&str>) -> Reply {
        let Some(bytes) = self.files.get(name) else { return Reply::empty(404, &[]) };
        let headers = vec!["accept-ranges: bytes".to_owned()];
        let (first, last) = range
            .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
            .unwrap_or_default();
        let end = last.parse().map_or(bytes.len(), |last: usize| bytes.len().min(last + 1));
        match first.parse::<usize>() {
            Ok(start) if start < end => {
                let content_range =
                    format!("content-range: bytes {start}-{}/{}", end - 1, bytes.len());
                Reply {
                    status: 206,
                    headers: [headers, vec![content_range]].concat(),
                    body: bytes[start..end].to_vec(),
                }
            }
            _ => Reply { status: 200, headers, body: bytes.clone() },
        }
    }
}
