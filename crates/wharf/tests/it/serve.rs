//! `wharf serve`: the server of an image, here, and its end.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use wharf_testkit::http;

use crate::hermetic::files;
use crate::support::examples;

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
    let body = br#"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#;
    let answer = http::request(port, "POST", "/predict", &[], body);
    assert_eq!(answer.json(), serde_json::json!(["setosa"]));
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
