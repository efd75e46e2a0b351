//! What any engine does, one in memory too.

use std::{collections::BTreeMap, io, net::TcpListener, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use wharf_spec::{
    digest::hex,
    label,
    status::{Exit, Phase},
    workload::{HostPort, Port, Workload, WorkloadKind},
};

use super::Stage;
use crate::{LogOptions, Usage, error::EngineError, fake::archive};

const GRACE: Duration = Duration::from_secs(1);

/// A script that stays until it is killed.
const STAYS: &str = "echo up; sleep 1000";

pub async fn applied_twice_changes_nothing(stage: &Stage) {
    let service = stage.service("web", STAYS);
    let first = stage.engine.apply(&service).await.expect("the service starts");
    let second = stage.engine.apply(&service).await.expect("it is there already");
    assert_eq!((&first.handle, &first.started), (&second.handle, &second.started));
    assert_eq!(second.phase, Phase::Running);

    let job = stage.job("echo once");
    stage.engine.apply(&job).await.expect("the job starts");
    stage.engine.wait(&job.id).await.expect("the job ends");
    let again = stage.engine.apply(&job).await.expect("it is done already");
    assert_eq!(again.phase, Phase::Succeeded, "a job that has ended is not run again");
    assert_eq!(stage.log(&job.id, LogOptions::default()).await.len(), 1, "it ran once");
}

pub async fn another_spec_of_the_same_generation_is_a_conflict(stage: &Stage) {
    let service = stage.service("web", STAYS);
    stage.engine.apply(&service).await.expect("the service starts");
    let other = stage.service("web", "sleep 2000");
    let error = stage.engine.apply(&other).await.expect_err("it is another one");
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    let retry = Workload { attempt: 2, ..service.clone() };
    let error = stage.engine.apply(&retry).await.expect_err("it is another attempt");
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    let status = stage.engine.status(&service.id).await.expect("the first is untouched");
    assert_eq!(status.phase, Phase::Running);
}

pub async fn a_job_tells_its_exit_code(stage: &Stage) {
    for (generation, (code, phase)) in
        (1..).zip([(0, Phase::Succeeded), (1, Phase::Failed), (7, Phase::Failed)])
    {
        let job = Workload { id: stage.id(generation), ..stage.job(&format!("exit {code}")) };
        stage.engine.apply(&job).await.expect("the job starts");
        assert_eq!(stage.engine.wait(&job.id).await.expect("it ends"), Exit::with_code(code));
        let status = stage.engine.status(&job.id).await.expect("it is still there");
        assert_eq!((status.phase, status.exit), (phase, Some(Exit::with_code(code))));
    }
}

pub async fn what_is_missing_is_an_error_of_ours(stage: &Stage) {
    let job = Workload { image: "no-such-image:1".to_owned(), ..stage.job("exit 0") };
    let error = stage.engine.apply(&job).await.expect_err("there is no such image");
    assert!(matches!(&error, EngineError::NoImage { image } if *image == job.image), "{error:?}");
    assert_eq!(stage.ids().await, [], "nothing was made");

    let id = stage.id(9);
    let is_ours = |error: EngineError| {
        assert!(matches!(&error, EngineError::NoWorkload { id: told } if *told == id), "{error:?}");
    };
    is_ours(stage.engine.status(&id).await.expect_err("status"));
    is_ours(stage.engine.wait(&id).await.expect_err("wait"));
    is_ours(stage.engine.start(&id).await.expect_err("start"));
    is_ours(stage.engine.stop(&id, GRACE).await.expect_err("stop"));
    let mut log = stage.engine.logs(&id, LogOptions::default());
    let first = futures_util::StreamExt::next(&mut log).await.expect("an error comes");
    is_ours(first.expect_err("log"));
    if let Some(exec) = stage.engine.exec() {
        is_ours(exec.exec(&id, &["true".to_owned()]).await.expect_err("exec"));
    }
    if let Some(images) = stage.engine.images() {
        let found = images.find("no-such-image:1").await.expect("the store answers");
        assert_eq!(found, None);
        images.remove("no-such-image:1").await.expect("it is not there, as wished");
    }
}

pub async fn an_unsupported_field_is_refused_by_name(stage: &Stage) {
    let most = stage.engine.capabilities().max_replicas;
    let job = Workload { replicas: most.saturating_add(1), ..stage.job("exit 0") };
    let error = stage.engine.apply(&job).await.expect_err("so many are not possible");
    assert!(error.to_string().contains("`replicas`"), "{error}");
    assert_eq!(stage.ids().await, [], "nothing was made");
}

pub async fn generations_live_side_by_side(stage: &Stage) {
    let old = stage.service("web", STAYS);
    let new =
        Workload { id: stage.named("web", 2), ..stage.service("web", "echo new; sleep 1000") };
    stage.engine.apply(&old).await.expect("the old one starts");
    stage.engine.apply(&new).await.expect("the new one starts beside it");
    assert_eq!(stage.ids().await, [old.id.clone(), new.id.clone()]);
    stage.engine.delete(&old.id, Duration::ZERO).await.expect("the old one goes");
    assert_eq!(stage.ids().await, std::slice::from_ref(&new.id));
    let status = stage.engine.status(&new.id).await.expect("the new one is untouched");
    assert_eq!(status.phase, Phase::Running);
}

pub async fn deleting_a_project_leaves_nothing(stage: &Stage) {
    stage.engine.apply(&stage.service("web", STAYS)).await.expect("a service starts");
    stage.engine.apply(&stage.job("exit 7")).await.expect("a job starts");
    stage.engine.delete_project(&stage.project).await.expect("the project goes");
    assert_eq!(stage.ids().await, []);
    stage.engine.delete_project(&stage.project).await.expect("it is gone already");
    stage.engine.ensure_project(&stage.project).await.expect("it can be made again");
    stage.engine.ensure_project(&stage.project).await.expect("it is there already");
}

pub async fn deleting_what_is_not_there_is_fine(stage: &Stage) {
    stage.engine.delete(&stage.id(9), GRACE).await.expect("it is gone already");
    let service = stage.service("web", STAYS);
    stage.engine.apply(&service).await.expect("a service starts");
    let (one, other) = tokio::join!(
        stage.engine.delete(&service.id, Duration::ZERO),
        stage.again.delete(&service.id, Duration::ZERO),
    );
    one.and(other).expect("two may delete at once");
    assert_eq!(stage.ids().await, []);
}

pub async fn stopping_keeps_the_log(stage: &Stage) {
    let service = stage.service("web", STAYS);
    stage.engine.apply(&service).await.expect("a service starts");
    stage.engine.stop(&service.id, GRACE).await.expect("it ends");
    stage.engine.stop(&service.id, GRACE).await.expect("it has ended already");
    let status = stage.engine.status(&service.id).await.expect("it is still there");
    assert_eq!(status.phase, Phase::Stopped);
    assert!(status.exit.is_some() && status.endpoints.is_empty(), "{status:?}");
    let log = stage.log(&service.id, LogOptions::default()).await;
    assert_eq!(log.first().map(|line| line.text.as_str()), Some("up"));
}

pub async fn a_stopped_service_starts_again(stage: &Stage) {
    let service = stage.service("web", STAYS);
    let made = stage.engine.apply(&service).await.expect("a service starts");
    stage.engine.stop(&service.id, Duration::ZERO).await.expect("it ends");
    stage.engine.start(&service.id).await.expect("it starts again");
    let phase = stage.engine.status(&service.id).await.expect("it is there").phase;
    assert_eq!(phase, Phase::Running);
    stage.engine.start(&service.id).await.expect("it runs already");

    stage.engine.stop(&service.id, Duration::ZERO).await.expect("it ends");
    let applied = stage.engine.apply(&service).await.expect("the same spec starts it too");
    assert_eq!((applied.phase, applied.handle), (Phase::Running, made.handle));
}

pub async fn a_log_is_complete_and_in_order(stage: &Stage) {
    let job = stage.job("seq 1 500");
    let (code, text) = stage.outcome(&job).await;
    let expect: Vec<String> = (1..=500).map(|number| number.to_string()).collect();
    assert_eq!(
        (code, text.lines().collect::<Vec<_>>()),
        (0, expect.iter().map(String::as_str).collect())
    );
}

pub async fn a_log_ends_with_its_last_lines(stage: &Stage) {
    let job = stage.job("seq 1 50");
    stage.outcome(&job).await;
    let options = LogOptions { tail: Some(3), ..LogOptions::default() };
    let last: Vec<_> =
        stage.log(&job.id, options).await.into_iter().map(|line| line.text).collect();
    assert_eq!(last, ["48", "49", "50"]);
}

pub async fn a_followed_log_ends_with_the_process(stage: &Stage) {
    let service = stage.service("web", STAYS);
    stage.engine.apply(&service).await.expect("a service starts");
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let (log, stopped) = tokio::join!(stage.log(&service.id, follow), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stage.engine.stop(&service.id, Duration::ZERO).await
    });
    stopped.expect("it ends");
    assert_eq!(log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["up"]);
}

/// Returns a port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("some port is free");
    listener.local_addr().expect("it has an address").port()
}

pub(super) fn on(port: HostPort) -> Vec<Port> {
    vec![Port { container: 8080, host: port, address: [127, 0, 0, 1].into() }]
}

pub async fn a_taken_port_is_told_and_nothing_is_left(stage: &Stage) {
    let port = free_port();
    let with = |name| Workload { ports: on(HostPort::Fixed(port)), ..stage.service(name, STAYS) };
    let first = stage.engine.apply(&with("first")).await.expect("the port is free");
    assert_eq!(first.endpoints.iter().map(|end| end.host_port).collect::<Vec<_>>(), [port]);
    let error = stage.engine.apply(&with("second")).await.expect_err("the port is taken");
    assert!(
        matches!(error, EngineError::PortTaken { port: told, .. } if told == port),
        "{error:?}"
    );
    assert_eq!(stage.ids().await, [first.id], "nothing of the second is left");
}

pub async fn a_chosen_port_is_free(stage: &Stage) {
    let port = free_port();
    let with = |name| Workload { ports: on(HostPort::From(port)), ..stage.service(name, STAYS) };
    let mut given = Vec::new();
    for name in ["first", "second"] {
        let status = stage.engine.apply(&with(name)).await.expect("some port is free");
        given.extend(status.endpoints.iter().map(|end| (end.container_port, end.host_port)));
    }
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|(container, host)| *container == 8080 && *host >= port), "{given:?}");
    assert_ne!(given[0], given[1]);
}

pub async fn labels_come_back_and_need_no_record(stage: &Stage) {
    let mut service = stage.service("web", STAYS);
    service.labels = BTreeMap::from(
        [(label::STORE, "s1"), (label::SEAL, "00ff"), ("com.example", "a \"b\"\n=c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    stage.engine.apply(&service).await.expect("a service starts");
    let mut expect = label::of(&service);
    expect.extend(service.labels.clone());
    let listed =
        stage.again.list(Some(&stage.project)).await.expect("who knows nothing lists it too");
    let [found] = listed.as_slice() else { panic!("one workload is listed: {listed:?}") };
    assert_eq!(found.labels, expect);
    assert_eq!((&found.id, found.kind, found.attempt), (&service.id, WorkloadKind::Service, 1));
    let all = stage.again.list(None).await.expect("all projects are listed");
    assert!(all.iter().any(|status| status.id == service.id));
}

pub async fn a_program_inside_tells_its_code(stage: &Stage) {
    let exec = stage.engine.exec().expect("every engine so far runs programs inside");
    let service = stage.service("web", STAYS);
    stage.engine.apply(&service).await.expect("a service starts");
    let words = ["sh", "-c", "exit 0"].map(str::to_owned);
    let outcome = exec.exec(&service.id, &words).await.expect("the program runs");
    assert_eq!(outcome.code, 0);
    stage.engine.stop(&service.id, Duration::ZERO).await.expect("it ends");
    let error = exec.exec(&service.id, &words).await.expect_err("nothing runs there");
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}

pub async fn what_runs_tells_what_it_uses(stage: &Stage) {
    let meter = stage.engine.meter().expect("every engine so far tells what is used");
    let (service, stopped) = (stage.service("web", STAYS), stage.service("off", STAYS));
    for one in [&service, &stopped] {
        stage.engine.apply(one).await.expect("a service starts");
    }
    stage.engine.stop(&stopped.id, Duration::ZERO).await.expect("it ends");
    let ids = [stopped.id, stage.id(9), service.id];
    let usage = meter.usage(&ids).await;
    assert_eq!(usage[..2], [Usage::default(); 2], "neither what has ended nor what is not there");
    assert!(usage[2].memory.is_some_and(|bytes| bytes > 0), "{usage:?}");
    assert!(usage[2].cpu_millis.is_some(), "{usage:?}");
    assert_eq!(meter.usage(&[]).await, []);
}

pub async fn an_image_is_saved_as_it_was_loaded(stage: &Stage) {
    let images = stage.engine.images().expect("every engine so far has its own images");
    let name = format!("wharf-conformance/{}:1", stage.project);
    let reference = name.parse().expect("a project's name is a path");
    let marker = format!("only {} has this", stage.project);
    let archive = image_with(&name, marker.as_bytes()).expect("memory takes everything");
    let pieces = stream::iter([archive.into()]).boxed();
    let loaded = images.load(pieces, &reference).await.expect("it is loaded");
    // The id stays with what was looked at when the name goes over to another image.
    let saved = match images.save(&loaded.id).await {
        Ok(pieces) => pieces.map_ok(|piece| piece.to_vec()).try_concat().await,
        Err(error) => Err(error),
    };
    images.remove(&name).await.expect("the image goes");
    let saved = saved.expect("it is saved");
    let holds = |text: &[u8]| saved.windows(text.len()).any(|part| part == text);
    assert!(holds(marker.as_bytes()), "its layer is in the archive");
    assert!(holds(b"KEPT=as it is"), "so is its configuration: {loaded:?}");
    let error = images.save(&name).await.map(drop).expect_err("it is gone");
    assert!(matches!(error, EngineError::NoImage { .. }), "{error:?}");
}

/// Returns the archive of an image of one layer with one file.
fn image_with(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    layer.append_data(&mut header, "file", content)?;
    let layer = layer.into_inner()?;
    let diff_id = format!("sha256:{}", hex(&Sha256::digest(&layer)));
    let config = json!({"os": "linux", "architecture": "amd64", "config": {"Env": ["KEPT=as it is"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    archive::write(name, config.to_string().as_bytes(), &[layer.into()])
}
