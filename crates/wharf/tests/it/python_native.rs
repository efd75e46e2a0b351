//! Images of models that run Python, assembled by wharf itself: no engine is asked, and no container is run.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use wharf_engine::fake::Fake;
use wharf_oci::{
    image::{Image, NamedLayer, RunConfig},
    layer::{Content, Entry, Layer, Mode},
    layout,
};
use wharf_ops::python::{
    lock::{Lock, Package, Place, Wheel as LockedWheel},
    resolve::inputs,
};
use wharf_spec::model::PythonNeeds;
use wharf_testkit::{http, packages::Wheel};

use crate::{
    registry::{Lab, answers, told},
    stories::{SAME_LIBRARY, compare},
    support::{User, on_engine, port},
};

/// Makes a base of a few bytes that says it has Python 3.11.
fn base(architecture: &str) -> Image {
    let entry = Entry {
        path: "usr/local/bin/python3.11".to_owned(),
        mode: Mode::Executable,
        content: Content::Bytes(b"no interpreter".to_vec()),
    };
    let layer = NamedLayer { title: "python".to_owned(), layer: Layer::new(vec![entry]) };
    let env = vec!["PYTHON_VERSION=3.11.9".to_owned(), "PATH=/usr/local/bin".to_owned()];
    let run = RunConfig { env, ..RunConfig::default() };
    Image::new(vec![layer], &run, architecture).unwrap()
}

/// A user without an engine, with a base `base`, and a model `needy` whose lock and wheels are there.
pub(crate) fn user(architecture: &str) -> User {
    let mut user = User::with_engine(None);
    let home = user.home.path().to_owned();
    write_base(&home, architecture);
    let wheels = home.join("wheels");
    fs::create_dir(&wheels).unwrap();
    let wheel = Wheel::new("alpha", "1.0", "py3-none-any", &[]);
    wheel.write(&wheels);
    model(&home.join("needy"), &wheel);
    user.variables = vec![
        ("PIP_FIND_LINKS".into(), wheels.into()),
        ("PIP_INDEX_URL".into(), "http://me:c4nary@127.0.0.1:1/simple".into()),
    ];
    user
}

/// Writes a layout `base` into a folder.
pub(crate) fn write_base(home: &Path, architecture: &str) {
    let name = ["base:1".parse().unwrap()];
    fs::create_dir(home.join("base")).unwrap();
    layout::write_folder(base(architecture), &name, &home.join("base")).unwrap();
}

/// Writes a model that needs the package `alpha`.
pub(crate) fn needy(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let code =
        "import alpha\n\n\ndef predict(text: str) -> str:\n    return alpha.VERSION + text\n";
    fs::write(folder.join("predict.py"), code).unwrap();
    fs::write(folder.join("wharf.yaml"), "model:\n  requirements: [alpha]\n").unwrap();
}

fn model(folder: &Path, wheel: &Wheel) {
    needy(folder);
    let needs = PythonNeeds { requirements: vec!["alpha".to_owned()], ..PythonNeeds::default() };
    let locked = LockedWheel {
        name: wheel.file_name.parse().unwrap(),
        place: Place::Path(wheel.file_name.clone()),
        size: None,
        sha256: format!("sha256:{}", wheel.sha256()).parse().unwrap(),
    };
    let package = Package {
        name: "alpha".to_owned(),
        version: "1.0".to_owned(),
        marker: None,
        wheels: vec![locked],
    };
    let lock = Lock {
        inputs: Some(inputs(&needs)),
        requires_python: Some("3.11".parse().unwrap()),
        packages: vec![package],
    };
    fs::write(folder.join("wharf.lock"), lock.render()).unwrap();
}

pub(crate) const BUILD: [&str; 7] =
    ["build", "needy", "--base", "oci-dir:base", "--to", "oci-dir:out", "--json"];

/// Reads a blob of a layout.
fn blob(layout: &Path, digest: &Value) -> Vec<u8> {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    fs::read(layout.join("blobs/sha256").join(hex)).unwrap()
}

fn json(layout: &Path, digest: &Value) -> Value {
    serde_json::from_slice(&blob(layout, digest)).unwrap()
}

#[tokio::test]
async fn the_same_model_gives_the_same_image_to_everybody() {
    let (one, other) = (user("amd64"), user("amd64"));
    let built = one.run(&BUILD).await.expect(0).json();
    let again = other.run(&BUILD).await.expect(0).json();
    assert_eq!(built["results"][0]["digest"], again["results"][0]["digest"]);
    assert_eq!(built["results"][0]["builder"], "native");

    let out = one.home.path().join("out");
    let manifest = json(&out, &built["results"][0]["digest"]);
    let config = json(&out, &manifest["config"]["digest"]);
    let history: Vec<_> =
        config["history"].as_array().unwrap().iter().map(|step| &step["created_by"]).collect();
    assert_eq!(history[0], "python");
    assert_eq!(history[1], "wheel alpha 1.0");
    assert_eq!(history[2], "server wharf-serve");
    assert_eq!(history.len(), 4);
    assert_eq!(config["config"]["Env"][0], "PYTHON_VERSION=3.11.9");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/wharf-serve"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    let whole = format!("{manifest}{config}");
    let home = one.home.path().to_str().unwrap();
    assert!(!whole.contains("c4nary") && !whole.contains(home), "{whole}");
}

#[tokio::test]
async fn a_base_for_another_machine_is_refused() {
    let user = user("arm64");
    let outcome = user.run(&[&BUILD[..6], &["--platform", "linux/amd64"]].concat()).await;
    told(&outcome, "W0321", 3);
    assert!(outcome.err.contains("is for linux/arm64"), "{}", outcome.err);
    assert!(!user.home.path().join("out").exists());
}

#[tokio::test]
async fn a_base_that_is_gone_is_told_and_nothing_is_made() {
    let user = user("amd64");
    let (base, out) = (user.home.path().join("base"), user.home.path().join("out"));
    let gone = async |base: &str, code: &str, exit: u8| {
        let build = ["build", "needy", "--base", base, "--to", "oci-dir:out"];
        told(&user.run(&build).await, code, exit);
        assert!(!out.exists());
    };
    let blobs = fs::read_dir(base.join("blobs/sha256")).unwrap();
    let blobs = blobs.map(|entry| entry.unwrap().path());
    let layer = blobs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::remove_file(layer).unwrap();
    gone("oci-dir:base", "W0802", 1).await;
    fs::remove_dir_all(&base).unwrap();
    gone("oci-dir:base", "W0802", 1).await;
    gone(&answers("404 Not Found\r\n"), "W0314", 3).await;
}

#[tokio::test]
async fn an_image_for_another_machine_is_assembled_here() {
    let user = user("arm64");
    let mut server = vec![0; 64];
    server[..4].copy_from_slice(b"\x7fELF");
    server[18] = 183;
    fs::write(user.home.path().join("server"), server).unwrap();
    let more = ["--platform", "linux/arm64", "--set", "args.mlem_whl=server"];
    let built = user.run(&[&BUILD[..], &more].concat()).await.expect(0).json();
    let out = user.home.path().join("out");
    let manifest = json(&out, &built["results"][0]["digest"]);
    assert_eq!(json(&out, &manifest["config"]["digest"])["architecture"], "arm64");
}

#[tokio::test]
async fn what_only_a_dockerfile_can_do_is_refused_by_name() {
    let user = user("amd64");
    let outcome = user.run(&[&BUILD[..6], &["--set", "args.run_cmd=null"]].concat()).await;
    told(&outcome, "W0208", 2);
    assert!(outcome.err.contains("`run_cmd` cannot be honoured"), "{}", outcome.err);
}

#[tokio::test]
async fn a_changed_lock_is_a_changed_part() {
    let mut user = user("amd64");
    user.engine = Some(Arc::new(Fake::default()));
    let image = ["--base", "oci-dir:base", "--builder", "native", "-t", "needy:1"];
    let build = [&["build", "needy", "--json"], &image[..]].concat();
    let plan = [&build[..], &["--dry-run"]].concat();
    user.run(&build).await.expect(0);
    let changed = async |user: &User| -> Vec<String> {
        let parts = user.run(&plan).await.expect(0).json()["parts"].clone();
        let parts = parts.as_array().unwrap().iter().filter(|part| part["unchanged"] != true);
        parts.map(|part| part["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(changed(&user).await, [""; 0]);
    let lock = user.home.path().join("needy/wharf.lock");
    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, text.replace("version = \"1.0\"", "version = \"1.1\"")).unwrap();
    assert_eq!(changed(&user).await, ["1 Python requirements, locked"]);
    fs::remove_file(&lock).unwrap();
    assert_eq!(changed(&user).await, ["1 Python requirements"]);
}

/// Pushes the engine's own base to a registry.
fn push_base(lab: &Lab) -> String {
    let base = lab.name("python:3.11-slim");
    let docker =
        |args: &[&str]| crate::registry::output(std::process::Command::new("docker").args(args));
    docker(&["tag", "python:3.11-slim", &base]);
    docker(&["push", &base]);
    docker(&["rmi", &base]);
    base
}

/// An image of which no model is known is up when its port answers; its model may still be loading.
fn until_ready(port: u16) {
    for _ in 0..240 {
        if http::request(port, "GET", "/readyz", &[], b"").status == 200 {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("the model does not load");
}

async fn story(name: &'static str) {
    on_engine(name, async move |user| {
        let lab = Lab::start("", "");
        let base = push_base(&lab);
        user.example(name);
        let image = lab.name(&format!("ml/{name}:1"));
        let build = ["build", name, "--base", &base, "-t", &image, "--push", "--json"];
        let pushed = user.run(&build).await.expect(0).json();
        assert_eq!(pushed["results"][0]["builder"], "native");
        let again = user.run(&build).await.expect(0).json();
        assert_eq!(again["results"][0]["reused"], true, "a model is the same after it was locked");
        let docker = |args: &[&str]| {
            crate::registry::output(std::process::Command::new("docker").args(args))
        };
        docker(&["pull", &image]);
        let up = user.run(&["up", &image, "--json", "--wait=120s"]).await.expect(0).json();
        let port = port(&up);
        until_ready(port);
        compare(name, port, SAME_LIBRARY);
        user.run(&["down", up["name"].as_str().unwrap_or(name)]).await;
        user.delete_project().await;
        docker(&["rmi", "-f", &image]);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn callable_is_pushed_pulled_and_answers() {
    story("callable").await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn pipeline_sklearn_is_pushed_pulled_and_answers() {
    story("pipeline-sklearn").await;
}
