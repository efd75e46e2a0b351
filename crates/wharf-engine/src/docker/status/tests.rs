use super::*;

/// Reads an answer of an engine that was recorded.
macro_rules! recorded {
    ($engine:literal, $name:literal) => {
        serde_json::from_str::<ContainerInspectResponse>(include_str!(concat!(
            "../../../tests/data/",
            $engine,
            "/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

fn docker(container: &ContainerInspectResponse) -> Status {
    status(container, &Quirks::default()).unwrap()
}

fn podman(container: &ContainerInspectResponse) -> Status {
    status(container, &super::super::podman::quirks(None)).unwrap()
}

/// The phase, the exit code with a mark for memory, and the health.
fn shown(status: &Status) -> String {
    let exit = status.exit.as_ref().map(|exit| {
        let memory = if exit.out_of_memory { ", out of memory" } else { "" };
        format!(" {}{memory}", exit.code)
    });
    format!("{:?}{} {:?}", status.phase, exit.unwrap_or_default(), status.health)
}

#[test]
fn answers_of_docker_20_10_are_understood() {
    let check = |container, expect: &str| assert_eq!(shown(&docker(&container)), expect);
    check(recorded!("docker-20.10", "made"), "Pending Unknown");
    check(recorded!("docker-20.10", "running"), "Running Healthy");
    check(recorded!("docker-20.10", "crashing"), "Restarting 3 Unknown");
    check(recorded!("docker-20.10", "stopped"), "Stopped 137 Unknown");
    check(recorded!("docker-20.10", "ended"), "Succeeded 0 Unknown");
    check(recorded!("docker-20.10", "failed"), "Failed 7 Unknown");
    check(recorded!("docker-20.10", "oom"), "Failed 137, out of memory Unknown");
    check(recorded!("docker-20.10", "never"), "Failed 127 Unknown");
}

#[test]
fn answers_of_podman_4_3_are_understood() {
    let check = |container, expect: &str| assert_eq!(shown(&podman(&container)), expect);
    check(recorded!("podman-4.3", "made"), "Pending Unknown");
    // There is a check, which never runs there: no systemd.
    check(recorded!("podman-4.3", "running"), "Running Unknown");
    check(recorded!("podman-4.3", "stopped"), "Stopped 137 Unknown");
    check(recorded!("podman-4.3", "ended"), "Succeeded 0 Unknown");
    check(recorded!("podman-4.3", "failed"), "Failed 7 Unknown");
    check(recorded!("podman-4.3", "oom"), "Failed 137 Unknown");
}

/// The state `stopped` passes in moments; until then the whole answer cannot be read.
#[tokio::test(flavor = "current_thread")]
async fn a_state_that_only_podman_has_is_asked_about_again() {
    let stopped = include_str!("../../../tests/data/podman-4.3/crashing.json");
    let read = |text: &str| {
        serde_json::from_str::<ContainerInspectResponse>(text).map_err(|error| {
            bollard::errors::Error::JsonDataError { message: error.to_string(), column: 0 }
        })
    };
    let asked = std::cell::Cell::new(0);
    let answer = super::super::podman::once_settled(|| {
        asked.set(asked.get() + 1);
        let text = stopped
            .replace("\"stopped\"", if asked.get() < 3 { "\"stopped\"" } else { "\"exited\"" });
        std::future::ready(read(&text))
    });
    assert_eq!(answer.await.unwrap().restart_count, Some(160));
    assert_eq!(asked.get(), 3);
}

#[test]
fn everything_else_of_a_running_service_is_read_too() {
    let status = docker(&recorded!("docker-20.10", "running"));
    assert_eq!(status.id.to_string(), "running (generation 1) of project recorded");
    let expect = Endpoint {
        container_port: 8080,
        host_port: 18099,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    assert_eq!(status.endpoints, [expect]);
    assert_eq!(status.image, "wt-probe:1");
    assert!(status.created.is_some() && status.started.is_some());
    assert_eq!(docker(&recorded!("docker-20.10", "made")).started, None, "it never ran");
    assert_eq!(docker(&recorded!("docker-20.10", "crashing")).restarts, 6);
}

#[test]
fn an_empty_label_of_ours_is_none() {
    let container = recorded!("docker-20.10", "running");
    let label = "wharf.gpu.ids";
    let sent = container.config.as_ref().unwrap().labels.as_ref().unwrap();
    assert_eq!(sent[label], "");
    assert_eq!(docker(&container).labels.get(label), None);
}

#[test]
fn a_container_without_our_labels_is_no_workload() {
    let mut container = recorded!("docker-20.10", "running");
    container.config.as_mut().unwrap().labels.as_mut().unwrap().remove(label::KIND);
    assert_eq!(status(&container, &Quirks::default()), None);
}

#[test]
fn times_are_in_utc_and_year_1_is_none() {
    assert_eq!(utc("2026-01-02T03:04:05.5+01:00").as_deref(), Some("2026-01-02T02:04:05.5Z"));
    assert_eq!(utc("0001-01-01T00:00:00Z"), None);
    assert_eq!(utc("yesterday"), None);
}
