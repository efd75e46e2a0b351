//! What `wharf build --to context:` wrote, in the hands of Podman and Buildah: the image they make answers.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;
use wharf_testkit::http;

use crate::support::{User, examples};

/// Runs a tool with the settings of `lab/podman-up`, and returns what it wrote to stdout.
#[track_caller]
fn tool(args: &[&str]) -> String {
    let output = command(args).output().unwrap_or_else(|error| panic!("{args:?}: {error}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {err}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(args[0]);
    command.args(&args[1..]).env("CONTAINERS_CONF", "/run/wharf-lab/podman/containers.conf");
    command
}

/// An image of a test in Podman's store, which goes with its container.
struct TestImage {
    name: String,
    container: String,
}

impl TestImage {
    fn new(builder: &str, example: &str) -> Self {
        let container = format!("wharf-test-{builder}-{example}-{}", std::process::id());
        Self { name: format!("localhost/{container}:1"), container }
    }

    /// Starts it as anybody would, and returns the port when it is ready.
    fn start(&self) -> u16 {
        let publish = ["-p", "127.0.0.1::8080", &self.name];
        tool(&[&["podman", "run", "-d", "--name", &self.container], &publish[..]].concat());
        let address = tool(&["podman", "port", &self.container, "8080/tcp"]);
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        for _ in 0..240 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
                && http::request(port, "GET", "/readyz", &[], b"").status == 200
            {
                return port;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        panic!("it does not become ready:\n{}", tool(&["podman", "logs", &self.container]));
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        for args in [["rm", "--force", &self.container], ["rmi", "--force", &self.name]] {
            // It may not have come to either.
            command(&["podman"]).args(args).output().ok();
        }
    }
}

/// Builds the folder of an example with a tool, and asks what the tool made of it.
async fn answers(builder: [&str; 2], example: &str, more: &[&str]) {
    let user = User::with_engine(None);
    user.example(example);
    user.run(&[&["build", example, "--to", "context:out"], more].concat()).await.expect(0);
    let image = TestImage::new(builder[0], example);
    let folder = user.home.path().join("out");
    tool(&[&builder[..], &["-q", "-t", &image.name, folder.to_str().unwrap()]].concat());
    compare(&examples().join(example), image.start());
}

/// Fails unless the cases of an example are answered as its library did.
fn compare(example: &Path, port: u16) {
    let answers = std::fs::read_to_string(example.join("answers.json")).unwrap();
    let answers: Value = serde_json::from_str(&answers).unwrap();
    for case in answers["cases"].as_array().unwrap() {
        let path = format!("/{}", case["method"].as_str().unwrap());
        let answer = http::request(port, "POST", &path, &[], case["body"].to_string().as_bytes());
        assert_eq!(answer.json(), case["answer"], "{}", case["body"]);
    }
}

const PODMAN: [&str; 2] = ["podman", "build"];
const BUILDAH: [&str; 2] = ["buildah", "bud"];
const BASE: &str = "python:3.11-slim";

#[tokio::test]
#[ignore = "needs engine"]
async fn podman_and_buildah_build_the_context_of_a_native_kind() {
    for builder in [PODMAN, BUILDAH] {
        answers(builder, "iris", &[]).await;
    }
}

#[tokio::test]
#[ignore = "needs engine"]
async fn podman_and_buildah_build_the_context_of_a_python_kind() {
    let store = format!("containers-storage:docker.io/library/{BASE}");
    tool(&["skopeo", "copy", "-q", &format!("docker-daemon:{BASE}"), &store]);
    for builder in [PODMAN, BUILDAH] {
        answers(builder, "callable", &["--base", BASE, "--platform", "linux/amd64"]).await;
    }
    tool(&["podman", "rmi", "--force", BASE]);
}
