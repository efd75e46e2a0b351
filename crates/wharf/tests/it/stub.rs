//! An engine that says what a test wants: for refusals that a real one cannot be made to give.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use wharf_engine::{
    Engine,
    connect::{ConnectSettings, EngineChoice, connect},
};

/// A status and a body for a request line; `None` is the stub's own answer.
type Script = fn(&str) -> Option<(u16, &'static str)>;

/// Speaks enough of Docker's API for wharf to connect.
pub(crate) struct StubEngine {
    path: PathBuf,
    api: Arc<Mutex<String>>,
}

impl StubEngine {
    pub(crate) fn start(folder: &Path, name: &str, script: Script) -> Self {
        let path = folder.join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let api = Arc::new(Mutex::new("1.41".to_owned()));
        let spoken = api.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let spoken = spoken.clone();
                thread::spawn(move || converse(stream, script, &spoken));
            }
        });
        Self { path, api }
    }

    pub(crate) fn speaking(self, api: &str) -> Self {
        api.clone_into(&mut self.api.lock().unwrap());
        self
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    pub(crate) async fn connect(&self) -> Arc<dyn Engine> {
        let settings = ConnectSettings {
            docker_host: Some(self.address()),
            context_host: None,
            runtime_dir: None,
            home: None,
            engine: EngineChoice::Auto,
        };
        connect(&settings).await.unwrap()
    }
}

fn converse(mut stream: UnixStream, script: Script, api: &Mutex<String>) {
    while let Some(request) = read_request(&mut stream) {
        let api = api.lock().unwrap().clone();
        let (status, body) = match script(&request) {
            Some((status, body)) => (status, body.to_owned()),
            None => (200, own_answer(&request, &api)),
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\napi-version: {api}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn own_answer(request: &str, api: &str) -> String {
    if request.contains("/version") {
        format!(
            r#"{{"Version":"20.10.24","ApiVersion":"{api}","MinAPIVersion":"1.12","Os":"linux"}}"#
        )
    } else if request.contains("/info") {
        r#"{"ID":"stub","ServerVersion":"20.10.24","SecurityOptions":[]}"#.to_owned()
    } else if request.contains("/_ping") {
        "OK".to_owned()
    } else {
        "[]".to_owned()
    }
}

/// Reads one request with its body, and returns its first line.
fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    String::from_utf8_lossy(&bytes).lines().next().map(str::to_owned)
}
