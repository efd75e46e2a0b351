//! What `wharf build` wrote, in the hands of other tools: `docker build`, `docker load` and skopeo.

use std::{
    path::Path,
    process::{Command, Output},
    time::Instant,
};

use wharf_testkit::http;

use crate::{
    stories::{self, BIT_FOR_BIT, SAME_LIBRARY},
    support::User,
};

/// Runs a program and returns what it wrote to stdout.
#[track_caller]
fn command(program: &str, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program)
        .args(args)
        // The builder that every engine has.
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `./test` installs it"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{program} {args:?}\n{out}\n{err}");
    out.trim().to_owned()
}

/// An image of a test, which goes with everything that was started of it.
struct TestImage {
    name: String,
}

impl TestImage {
    fn new(test: &str) -> Self {
        Self { name: format!("wharf-test/{test}:{}", std::process::id()) }
    }

    fn container(&self) -> String {
        self.name.replace(['/', ':'], "-")
    }

    /// Starts it as anybody would, and returns the port when it is ready.
    fn start(&self) -> u16 {
        let container = self.container();
        command(
            "docker",
            &["run", "-d", "--name", &container, "-p", "127.0.0.1::8080", &self.name],
        );
        command("docker", &["exec", &container, "/wharf-serve", "probe", "--wait", "60"]);
        let address = command("docker", &["port", &container, "8080/tcp"]);
        address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn inspect(&self, format: &str) -> String {
        command("docker", &["image", "inspect", "--format", format, &self.name])
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        for args in [["rm", "--force", &self.container()], ["rmi", "--force", &self.name]] {
            // It may not have come to either.
            Command::new("docker").args(args).output().ok();
        }
    }
}

/// Builds an example without an engine and returns the path of the output.
async fn build(user: &User, example: &str, args: &[&str]) {
    user.example(example);
    user.run(&[&["build", example], args].concat()).await.expect(0);
}

fn user() -> User {
    User::with_engine(None)
}

#[track_caller]
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
#[ignore = "needs engine"]
async fn docker_builds_the_context_of_a_native_kind() {
    let (user, image) = (user(), TestImage::new("context-iris"));
    let value = r#"A=$HOME "x" \n 'y'"#;
    let set = format!("args.set_env.0={value}");
    build(&user, "iris", &["--to", "context:out", "--set", &set]).await;
    command("docker", &["build", "-q", "-t", &image.name, text(&user.home.path().join("out"))]);
    assert!(image.inspect("{{json .Config.Env}}").contains(r#"A=$HOME \"x\" \\n 'y'"#));
    assert_eq!(image.inspect("{{.Config.User}}"), "65532:65532");
    stories::compare("iris", image.start(), BIT_FOR_BIT);
}

#[tokio::test]
#[ignore = "needs engine"]
async fn docker_builds_the_context_of_a_python_kind() {
    let (user, image) = (user(), TestImage::new("context-callable"));
    let platform = command("docker", &["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]);
    let args = ["--to", "context:out", "--base", "python:3.11-slim", "--platform", &platform];
    build(&user, "callable", &args).await;
    command("docker", &["build", "-q", "-t", &image.name, text(&user.home.path().join("out"))]);
    stories::compare("callable", image.start(), SAME_LIBRARY);
    let start = Instant::now();
    command("docker", &["stop", &image.container()]);
    assert!(start.elapsed().as_secs() < 8, "the server is process 1 and hears SIGTERM");
    let code =
        command("docker", &["inspect", "--format", "{{.State.ExitCode}}", &image.container()]);
    assert_eq!(code, "0", "it ended by itself");
}

#[tokio::test]
#[ignore = "needs engine"]
async fn docker_loads_an_archive() {
    let (user, image) = (user(), TestImage::new("archive-iris"));
    build(&user, "iris", &["-t", &image.name, "--to", "docker-archive:iris.tar"]).await;
    command("docker", &["load", "-q", "-i", text(&user.home.path().join("iris.tar"))]);
    stories::compare("iris", image.start(), BIT_FOR_BIT);
}

#[tokio::test]
#[ignore = "needs engine"]
async fn skopeo_reads_a_layout_and_copies_an_archive() {
    let (user, image) = (user(), TestImage::new("layout-iris"));
    let args = ["-t", &image.name, "--to", "oci-dir:layout", "--to", "oci-archive:iris.tar"];
    build(&user, "iris", &args).await;
    let layout = format!("oci:{}", user.home.path().join("layout").display());
    let seen: serde_json::Value =
        serde_json::from_str(&command("skopeo", &["inspect", &layout])).unwrap();
    assert_eq!(seen["Os"], "linux");
    assert_eq!(seen["Labels"]["org.opencontainers.image.title"], "iris");
    assert_eq!(seen["Layers"].as_array().unwrap().len(), 2);
    let archive = format!("oci-archive:{}", user.home.path().join("iris.tar").display());
    let daemon = format!("docker-daemon:{}", image.name);
    command("skopeo", &["copy", "-q", "--insecure-policy", &archive, &daemon]);
    let port = image.start();
    stories::compare("iris", port, BIT_FOR_BIT);
    assert_eq!(http::request(port, "GET", "/readyz", &[], b"").status, 200);
}
