//! Each error code is made to happen, with its exit code. The last test finds a code that no test makes happen.

use std::{
    fs,
    io::{Read as _, Write},
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use wharf::{Environment, Invocation, Terminal};
use wharf_engine::Engine as _;
use wharf_ops::{
    error::Error,
    store::{RecordName, StateStore as _, folder::FolderStore},
};
use wharf_spec::{
    codes::PAGES,
    error::Explain as _,
    workload::{Workload, WorkloadId, WorkloadKind},
};

use crate::{
    stub::StubEngine,
    support::{Outcome, User},
};

#[track_caller]
fn told(outcome: &Outcome, code: &str, exit: u8) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}", outcome.err);
    assert_eq!(outcome.code, exit, "{}", outcome.err);
}

/// Runs a command on a fake engine after something was done to the example `iris`.
async fn with_iris(change: impl FnOnce(&Path), args: &[&str]) -> Outcome {
    let (user, _) = User::of_fake();
    change(&user.example("iris"));
    user.run(args).await
}

async fn with_declaration(text: &str) -> Outcome {
    with_iris(|folder| fs::write(folder.join("wharf.yaml"), text).unwrap(), &["inspect", "iris"])
        .await
}

#[tokio::test]
async fn wrong_flags_and_files() {
    told(&with_iris(|_| {}, &["up", "iris", "--nope"]).await, "W0101", 2);
    told(&with_declaration("model: {\n").await, "W0102", 2);
    told(&with_declaration("model:\n  best_iteration: 3\n").await, "W0103", 2);
    told(&with_declaration("modle: {}\n").await, "W0104", 2);
    told(&with_iris(|_| {}, &["up", "iris", "--name", "My_Iris"]).await, "W0105", 2);
}

/// Runs `wharf ps` with this engine address and no other engine.
async fn ps_at(host: &str) -> Outcome {
    let mut user = User::with_engine(None);
    user.variables = vec![("DOCKER_HOST".into(), host.into())];
    user.run(&["ps"]).await
}

#[tokio::test]
async fn engines_that_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let address = |name: &str| format!("unix://{}", folder.path().join(name).display());
    told(&ps_at(&address("missing")).await, "W0201", 6);
    drop(UnixListener::bind(folder.path().join("silent")).unwrap());
    told(&ps_at(&address("silent")).await, "W0203", 6);
    told(&ps_at("ssh://me@elsewhere").await, "W0205", 2);
    let old = StubEngine::start(folder.path(), "old", |_| None).speaking("1.30");
    told(&ps_at(&old.address()).await, "W0204", 2);
}

#[tokio::test]
async fn a_misspelt_path_is_told_where_there_is_no_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut user = User::with_engine(None);
    let host = format!("unix://{}", folder.path().join("missing").display());
    user.variables = vec![("DOCKER_HOST".into(), host.into())];
    told(&user.run(&["up", "irsi"]).await, "W0401", 3);
}

#[tokio::test]
async fn an_engine_that_refuses_permission() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denied");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Root may open everything, so a copy of the program runs as somebody else.
    let program = folder.path().join("wharf");
    fs::copy(env!("CARGO_BIN_EXE_wharf"), &program).unwrap();
    let is_root = fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let mut command = Command::new(program);
    command
        .arg("ps")
        .env("DOCKER_HOST", format!("unix://{}", path.display()))
        .env("HOME", folder.path());
    if is_root {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let outcome = Outcome {
        code: u8::try_from(output.status.code().unwrap()).unwrap(),
        out: String::new(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    told(&outcome, "W0202", 4);
}

#[tokio::test]
async fn engines_that_refuse() {
    let (_, fake) = User::of_fake();
    let id = WorkloadId {
        project: "default".parse().unwrap(),
        name: "x".parse().unwrap(),
        generation: 1,
    };
    let missing = Workload::new(id.clone(), WorkloadKind::Service, "no-such-image");
    let code = |error| Error::from(error).code().to_string();
    assert_eq!(code(fake.apply(&missing).await.unwrap_err()), "W0206");
    assert_eq!(code(fake.status(&id).await.unwrap_err()), "W0207");
    told(&with_iris(|_| {}, &["up", "iris", "--base", "python:3"]).await, "W0208", 2);
    let folder = tempfile::tempdir().unwrap();
    let failing = |request: &str| {
        request
            .contains("/containers/json")
            .then_some((500, "{\"message\":\"the disk is on fire\"}"))
    };
    let stub = StubEngine::start(folder.path(), "failing", failing);
    let outcome = ps_at(&stub.address()).await;
    told(&outcome, "W0209", 1);
    assert!(outcome.err.contains("the disk is on fire"), "{}", outcome.err);
}

#[tokio::test]
async fn addresses_and_ports_that_are_used_up() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fake.take_port(9000);
    told(&user.run(&["up", "iris", "-p", "9000"]).await, "W0210", 5);
    let folder = tempfile::tempdir().unwrap();
    let full = |request: &str| {
        let words = "{\"message\":\"could not find an available, non-overlapping IPv4 address pool among the defaults\"}";
        request
            .starts_with("POST")
            .then_some((404, words))
            .filter(|_| request.contains("/networks/create"))
    };
    let stub = StubEngine::start(folder.path(), "full", full);
    let engine = stub.connect().await;
    let error = engine.ensure_project(&"default".parse().unwrap()).await.unwrap_err();
    assert_eq!(Error::from(error).code().to_string(), "W0211");
}

#[tokio::test]
async fn models_that_are_none() {
    let truncate = |folder: &Path| {
        let path = folder.join("iris.json");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    told(&with_iris(|_| {}, &["inspect", "irsi"]).await, "W0401", 3);
    let text = |folder: &Path| fs::write(folder.join("notes.bin"), "hello").unwrap();
    told(&with_iris(text, &["inspect", "iris/notes.bin"]).await, "W0402", 2);
    told(&with_iris(truncate, &["inspect", "iris"]).await, "W0403", 1);
    let net = |folder: &Path| fs::write(folder.join("net.pt"), b"PK\x03\x04....").unwrap();
    told(&with_iris(net, &["inspect", "iris/net.pt"]).await, "W0406", 2);
}

/// Copies a real MLEM model into a user's home.
fn mlem_model(user: &User) -> std::path::PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-model/tests/data/mlem");
    let target = user.home.path().join("lr");
    crate::support::copy(&data.join("today/sklearn-logreg-ndarray"), &target);
    target
}

#[tokio::test]
async fn artifacts_that_are_gone_or_changed() {
    let (user, _) = User::of_fake();
    let folder = mlem_model(&user);
    user.run(&["inspect", "lr/model.mlem"]).await.expect(0);
    let artifact = folder.join("model");
    let mut bytes = fs::read(&artifact).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&artifact, bytes).unwrap();
    told(&user.run(&["inspect", "lr/model.mlem"]).await, "W0405", 1);
    fs::remove_file(artifact).unwrap();
    told(&user.run(&["inspect", "lr/model.mlem"]).await, "W0404", 3);
}

#[tokio::test]
async fn programs_that_are_missing() {
    let (mut user, _) = User::of_fake();
    user.example("callable");
    told(&user.run(&["serve", "callable", "--python", "./no/python"]).await, "W0408", 3);
    told(&user.run(&["up", "callable", "--base", "no-such-image:1"]).await, "W0409", 3);
    user.helpers = user.home.path().join("nowhere");
    told(&user.run(&["up", "callable"]).await, "W0411", 1);
}

#[tokio::test]
async fn services_that_do_not_start() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fake.exec_answers(3, "no module named `x`");
    told(&user.run(&["up", "iris"]).await, "W0410", 1);
    fake.exec_answers(1, "starting: loading");
    told(&user.run(&["up", "iris", "--wait=1s"]).await, "W0502", 7);
    fake.fail_start("iris", 3, &[]);
    told(&user.run(&["up", "iris"]).await, "W0501", 1);
    told(&user.run(&["logs", "irsi"]).await, "W0504", 3);
}

#[tokio::test]
async fn a_service_that_another_command_changes() {
    let (user, _) = User::of_fake();
    let folder = user.example("iris");
    let store = FolderStore::open_or_create(&folder.join(".wharf/state")).unwrap();
    let name = RecordName { project: "default".parse().unwrap(), name: "iris".parse().unwrap() };
    let lease = store.lease(&name, Duration::ZERO).await.unwrap();
    let outcome = user.run(&["up", "iris"]).await;
    told(&outcome, "W0505", 5);
    assert!(outcome.err.contains(&format!("process {}", std::process::id())), "{}", outcome.err);
    drop(lease);
    user.run(&["up", "iris"]).await.expect(0);
    let (record, _) = store.read(&name).await.unwrap().unwrap();
    let error = store.write(&name, &record, None).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0803");
}

/// Answers one request of a prediction with a body and the status 422, after a pause.
fn model_server(body: &'static str, pause: Duration) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        _ = stream.read(&mut request).unwrap();
        std::thread::sleep(pause);
        let answer = format!("HTTP/1.1 422 x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        // The client may have left.
        stream.write_all(answer.as_bytes()).ok();
    });
    format!("http://127.0.0.1:{port}")
}

#[tokio::test]
async fn predictions_that_do_not_come() {
    let (user, _) = User::of_fake();
    let predict =
        async |url: &str| user.run(&["predict", url, "-i", "data=1", "--timeout", "1s"]).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    told(&predict(&format!("http://{nobody}")).await, "W0507", 6);
    let refusal = "{\"error\": \"KeyError: 'data'\"}";
    told(&predict(&model_server(refusal, Duration::ZERO)).await, "W0508", 1);
    told(&predict(&model_server("", Duration::from_secs(3))).await, "W0509", 7);
    told(&user.run(&["predict", "iris", "no-such-file.json"]).await, "W0802", 1);
}

/// A stream whose writer has a bug.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        panic!("the writer is broken")
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn bugs_of_our_own() {
    let err = Arc::new(Mutex::new(Vec::new()));
    let invocation = Invocation {
        args: ["wharf", "explain"].map(Into::into).to_vec(),
        env: Environment::default(),
        console: Terminal::of(Arc::new(Mutex::new(Broken)), err.clone()),
        folder: "/".into(),
        program: "wharf".into(),
        engine: None,
        cancel: CancellationToken::new(),
    };
    let code = wharf::run(invocation).await;
    let err = String::from_utf8(err.lock().unwrap().clone()).unwrap();
    told(&Outcome { code, out: String::new(), err }, "W0901", 101);
}

#[tokio::test]
async fn commands_that_are_cancelled() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let cancel = CancellationToken::new();
    cancel.cancel();
    told(&user.run_until(&["up", "iris"], cancel).await, "W0902", 130);
}

#[test]
fn every_code_is_made_to_happen_by_a_test() {
    let tests = [
        include_str!("codes.rs"),
        include_str!("bad_days.rs"),
        include_str!("full_disk.rs"),
        include_str!("build.rs"),
        include_str!("builders.rs"),
        include_str!("deploy.rs"),
        include_str!("look.rs"),
        include_str!("predict.rs"),
        include_str!("app.rs"),
        include_str!("store.rs"),
        include_str!("registry.rs"),
        include_str!("supply.rs"),
        include_str!("images.rs"),
        include_str!("python_lock.rs"),
        include_str!("../../../wharf-ops/tests/it/python.rs"),
    ];
    let missing: Vec<_> = PAGES
        .iter()
        .map(|page| page.code.to_string())
        .filter(|code| !tests.iter().any(|text| text.contains(code)))
        .collect();
    assert!(missing.is_empty(), "no test makes these happen: {missing:?}");
}
