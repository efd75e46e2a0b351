//! `wharf serve`: the server of an image, here, and its end.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use wharf_testkit::http;

use crate::hermetic::files;
use crate::support::{copy, examples};

fn start(example: &str, temporary: &Path) -> (Child, u16) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["serve", "-p", "0"])
        .arg(examples().join(example))
        .env("TMPDIR", temporary)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, address) = line.split_once("http://127.0.0.1:")?;
        address.trim().trim_end_matches('/').parse().ok()
    });
    // Somebody must go on reading, or the server's next line meets a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (process, port.expect("the server says where it is"))
}

fn signal(process: &Child, signal: &str) {
    assert!(
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success()
    );
}

/// Says whether something becomes true within ten seconds.
fn eventually(is_so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn nobody_answers(port: u16) -> bool {
    http::try_request(port, "GET", "/healthz", &[], b"").is_err()
}

#[test]
fn it_predicts_and_ends_cleanly_when_asked() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut process, port) = start("iris", temporary.path());
    assert_eq!(predict(port), serde_json::json!(["setosa"]));
    signal(&process, "-TERM");
    assert!(process.wait().unwrap().success());
    assert!(nobody_answers(port));
    assert!(files(temporary.path()).is_empty());
}

#[test]
fn a_killed_serve_leaves_no_server() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut process, port) = start("iris", temporary.path());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(eventually(|| nobody_answers(port)), "the server outlived its command");
    assert!(eventually(|| files(temporary.path()).is_empty()), "its folder is left");
}

/// `wharf serve --reload` on a copy of the iris model, and what it says.
struct Reloading {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
    said: Arc<Mutex<String>>,
}

impl Reloading {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&examples().join("iris"), folder.path());
        let mut process = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .args(["serve", "-p", "0", "--reload"])
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        std::thread::spawn(move || lines.for_each(|line| *heard.lock().unwrap() += &(line + "\n")));
        let port = || {
            let said = said.lock().unwrap();
            let (_, address) = said.split_once("anew when it changes: http://127.0.0.1:")?;
            address.split_once('/')?.0.parse().ok()
        };
        assert!(eventually(|| port().is_some()), "{}", said.lock().unwrap());
        let port = port().unwrap();
        Self { folder, process, port, said }
    }

    /// Writes a file as editors do: whole, over the one that was there.
    fn save(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    fn answers(&self, expect: &str) -> bool {
        predict(self.port) == serde_json::json!([expect])
    }

    fn has_said(&self, text: &str) -> bool {
        self.said.lock().unwrap().contains(text)
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[track_caller]
fn predict(port: u16) -> serde_json::Value {
    let body = br#"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#;
    let answer = http::request(port, "POST", "/predict", &[], body);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn a_changed_model_takes_over_without_a_failed_request() {
    let mut serve = Reloading::start();
    assert!(serve.answers("setosa"));
    let yaml = std::fs::read_to_string(serve.folder.path().join("wharf.yaml")).unwrap();
    let (port, stop) = (serve.port, Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let asking = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            predict(port);
        }
    });
    for name in ["bristly", "silky"] {
        serve.save("wharf.yaml", yaml.replace("setosa", name));
        assert!(eventually(|| serve.answers(name)), "{}", serve.said.lock().unwrap());
    }
    // The server before this one ends meanwhile.
    std::thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::Relaxed);
    asking.join().expect("no request failed");
    signal(&serve.process, "-TERM");
    assert!(serve.process.wait().unwrap().success());
    assert!(nobody_answers(port));
}

#[test]
fn a_broken_model_leaves_the_one_before_it_serving() {
    let serve = Reloading::start();
    let model = std::fs::read(serve.folder.path().join("iris.json")).unwrap();
    serve.save("iris.json", &model[..model.len() / 2]);
    let told = "the model as it was before goes on serving";
    assert!(eventually(|| serve.has_said(told)), "{}", serve.said.lock().unwrap());
    assert!(serve.has_said("error[W0403]"), "{}", serve.said.lock().unwrap());
    assert!(serve.answers("setosa"));
    serve.save("iris.json", model);
    let yaml = std::fs::read_to_string(serve.folder.path().join("wharf.yaml")).unwrap();
    serve.save("wharf.yaml", yaml.replace("setosa", "mended"));
    assert!(eventually(|| serve.answers("mended")), "{}", serve.said.lock().unwrap());
}

#[test]
#[ignore = "needs python"]
fn models_that_run_python_are_served_too() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut process, port) = start("callable", temporary.path());
    let answer = http::request(port, "POST", "/predict", &[], br#"{"text": "a b a"}"#);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    signal(&process, "-TERM");
    assert!(process.wait().unwrap().success());
}

#[test]
fn programs_load_no_shared_library() {
    for program in [
        env!("CARGO_BIN_EXE_wharf"),
        env!("CARGO_BIN_EXE_wharf-serve"),
        env!("CARGO_BIN_EXE_wharf-serve-onnx"),
    ] {
        let bytes = std::fs::read(program).unwrap();
        let interpreter = b"/lib64/ld-linux-x86-64.so.2\0";
        let is_dynamic =
            bytes[..4096].windows(interpreter.len()).any(|window| window == interpreter);
        assert!(!is_dynamic, "{program} asks for a dynamic loader");
    }
}
