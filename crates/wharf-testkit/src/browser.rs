//! A real Chromium, driven over its DevTools protocol: only that can prove "no dialog, no policy report, no request
//! to another host".

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// A browser with one page; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    next: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// Names under which Debian, Ubuntu and Google install it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

impl Browser {
    /// Starts a browser with an empty profile.
    ///
    /// # Panics
    /// When there is none: a test that needs a browser fails where there is none.
    pub async fn start() -> Self {
        let program = find().expect("a browser: `apt-get install chromium`");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let address = stderr
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("the browser says where it listens");
        let (socket, _) = connect_async(address).await.expect("the browser takes connections");
        let mut browser = Self {
            process,
            socket,
            session: String::new(),
            next: 1,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.wait_for("Page.loadEventFired").await;
    }

    /// Sets the size of the page, and whether the system prefers dark.
    pub async fn look(&mut self, width: u32, height: u32, dark: bool) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Switches scripts off or on, from the next page on.
    pub async fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await;
    }

    /// Presses a key: `Tab`, `Enter`.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("`{other}` has no code here"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": if kind == "keyDown" { text } else { "" } });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Evaluates JavaScript in the page; a promise is waited for.
    ///
    /// # Panics
    /// When it throws.
    pub async fn evaluate(&mut self, script: &str) -> Value {
        let call = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", call).await;
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Evaluates JavaScript until it gives `true`.
    ///
    /// # Panics
    /// When it does not within 10 s.
    pub async fn until(&mut self, script: &str) {
        for _ in 0..200 {
            if self.evaluate(script).await == Value::Bool(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let page = self.evaluate("document.body.innerText").await;
        panic!("`{script}` did not become true; the page says: {page}");
    }

    /// Writes a picture of the page, PNG.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub async fn screenshot(&mut self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let data = answer["data"].as_str().expect("a picture");
        let bytes = BASE64_STANDARD.decode(data).expect("base64");
        std::fs::write(path, bytes).expect("the picture can be written");
    }

    /// Takes the events of a kind that have come so far: `Network.requestWillBeSent`, `Page.javascriptDialogOpening`.
    pub fn take_events(&mut self, method: &str) -> Vec<Value> {
        let (wanted, rest): (Vec<_>, _) =
            self.events.drain(..).partition(|event| event["method"] == method);
        self.events = rest;
        wanted
    }

    async fn wait_for(&mut self, method: &str) {
        while self.take_events(method).is_empty() {
            let message = self.receive().await;
            self.events.push(message);
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(message.to_string())).await.expect("the browser is there");
        loop {
            let message = self.receive().await;
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    async fn receive(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(30), self.socket.next());
            let message = message.await.expect("the browser answers within 30 s");
            if let Message::Text(text) = message.expect("the browser is there").expect("a message")
            {
                return serde_json::from_str(&text).expect("messages are JSON");
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of wharf")]
fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WHARF_TEST_BROWSER") {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}
