//! Against daemons that answer a fixed text: each way to fail has its own error.

use std::{os::unix::fs::PermissionsExt as _, sync::Mutex};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};
use wharf_spec::error::Explain as _;

use super::*;

const DOCKER_INFO: &str = include_str!("../../tests/data/docker-20.10/info.json");
const DOCKER_VERSION: &str = include_str!("../../tests/data/docker-20.10/version.json");
const PODMAN_INFO: &str = include_str!("../../tests/data/podman-4.3/info.json");
const PODMAN_VERSION: &str = include_str!("../../tests/data/podman-4.3/version.json");

/// A daemon of two answers, and the paths it was asked for.
struct Daemon {
    folder: TempDir,
    version: String,
    info: String,
    asked: Mutex<Vec<String>>,
}

impl Daemon {
    fn new(version: &str, info: &str) -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder, version: version.to_owned(), info: info.to_owned(), asked: Mutex::default() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Connects to it while it serves.
    async fn connect(&self, settings: ConnectSettings) -> Result<Arc<dyn Engine>> {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let host = format!("unix://{}", self.socket().display());
        let settings = ConnectSettings { docker_host: Some(host), ..settings };
        tokio::select! {
            connected = connect_within(&settings, Duration::from_millis(500)) => connected,
            () = self.serve(listener) => unreachable!("it serves for ever"),
        }
    }

    async fn serve(&self, listener: UnixListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]);
            let Some(path) = request.split(' ').nth(1) else { continue };
            self.asked.lock().unwrap().push(path.to_owned());
            let body = if path.ends_with("/version") { &self.version } else { &self.info };
            if body.is_empty() {
                std::future::pending::<()>().await;
            }
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

fn version(newest: &str, oldest: &str) -> String {
    format!(r#"{{"ApiVersion": "{newest}", "MinAPIVersion": "{oldest}", "Version": "1"}}"#)
}

async fn error_of(settings: &ConnectSettings) -> EngineError {
    connect_within(settings, Duration::from_millis(500)).await.map(drop).unwrap_err()
}

fn at(socket: &Path) -> ConnectSettings {
    let docker_host = Some(format!("unix://{}", socket.display()));
    ConnectSettings { docker_host, ..ConnectSettings::default() }
}

#[tokio::test]
async fn docker_is_recognised_and_its_version_named_in_every_further_request() {
    let daemon = Daemon::new(DOCKER_VERSION, DOCKER_INFO);
    let engine = daemon.connect(ConnectSettings::default()).await.unwrap();
    assert_eq!(*daemon.asked.lock().unwrap(), ["/version", "/v1.41/info"]);
    let about = engine.about();
    assert_eq!((engine.name(), about.api.as_str()), ("docker", "1.41"));
    assert_eq!(about.version, "docker 20.10.24+dfsg1");
    assert_eq!(about.id, "AAAA:BBBB:CCCC:DDDD:EEEE:FFFF:GGGG:HHHH:IIII:JJJJ:KKKK:LLLL");
    assert_eq!((about.host.as_str(), about.is_local), ("127.0.0.1", true));
    assert!(engine.capabilities().limits && engine.capabilities().mounts);
}

#[tokio::test]
async fn podman_is_recognised_and_has_a_lasting_id() {
    let daemon = Daemon::new(PODMAN_VERSION, PODMAN_INFO);
    let engine = daemon.connect(ConnectSettings::default()).await.unwrap();
    assert_eq!((engine.name(), engine.about().version.as_str()), ("podman", "podman 4.3.1"));
    assert_eq!(engine.about().id, "podman:vm:/var/lib/containers/storage");
}

#[tokio::test]
async fn another_engine_than_the_one_asked_for_is_refused() {
    let daemon = Daemon::new(PODMAN_VERSION, PODMAN_INFO);
    let asked = ConnectSettings { engine: EngineChoice::Docker, ..ConnectSettings::default() };
    let error = daemon.connect(asked).await.unwrap_err();
    assert!(
        error.to_string().ends_with("podman answers there, and `docker` is asked for"),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_of_another_age_is_an_error_with_both_ranges() {
    for (newest, oldest) in [("1.40", "1.12"), ("1.70", "1.60")] {
        let daemon = Daemon::new(&version(newest, oldest), DOCKER_INFO);
        let error = daemon.connect(ConnectSettings::default()).await.unwrap_err();
        assert!(matches!(error, EngineError::Version { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn limits_that_are_not_enforced_are_not_promised() {
    let rootless = r#"{"ID": "A", "SecurityOptions": ["name=rootless"], "CgroupVersion": "1", "CgroupDriver": "none"}"#;
    let daemon = Daemon::new(&version("1.41", "1.12"), rootless);
    let engine = daemon.connect(ConnectSettings::default()).await.unwrap();
    assert!(!engine.capabilities().limits);
}

#[tokio::test]
async fn no_answer_in_time_is_silence() {
    let daemon = Daemon::new("", "");
    let error = daemon.connect(ConnectSettings::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::Silent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let folder = TempDir::new().unwrap();
    let error = error_of(&at(&folder.path().join("none.sock"))).await;
    let EngineError::Missing { looked } = &error else { panic!("{error:?}") };
    assert!(looked[0].ends_with("/none.sock"), "{looked:?}");
    assert!(error.hints()[0].contains("/none.sock"), "{:?}", error.hints());
}

#[tokio::test]
async fn a_socket_that_nobody_listens_to_is_silence() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("dead.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let error = error_of(&at(&socket)).await;
    assert!(matches!(error, EngineError::Silent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refused_tcp_address_is_silence_and_a_strange_one_no_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp =
        |host: String| ConnectSettings { docker_host: Some(host), ..ConnectSettings::default() };
    let error = error_of(&tcp(format!("tcp://127.0.0.1:{port}"))).await;
    assert!(matches!(error, EngineError::Silent { .. }), "{error:?}");
    let error = error_of(&tcp("ssh://host".to_owned())).await;
    assert!(matches!(error, EngineError::Host { .. }), "{error:?}");
}

/// Root may open everything, so only who is not root sees the refusal.
#[tokio::test]
async fn a_refused_permission_is_its_own_error() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("shut.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = std::os::unix::net::UnixStream::connect(&socket).is_ok();
    drop(listener);
    let error = error_of(&at(&socket)).await;
    let expect = if is_root { "EngineSilent" } else { "EngineDenied" };
    let found = match error {
        EngineError::Silent { .. } => "EngineSilent",
        EngineError::Denied { .. } => "EngineDenied",
        _ => "another",
    };
    assert_eq!(found, expect);
}

#[test]
fn the_usual_sockets_are_tried_in_order() {
    let settings = |engine| ConnectSettings {
        runtime_dir: Some("/run/user/1000".into()),
        home: Some("/home/me".into()),
        engine,
        ..ConnectSettings::default()
    };
    let shown = |engine| {
        let found = candidates(&settings(engine)).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(shown(EngineChoice::Auto), @r"
    unix:///var/run/docker.sock
    unix:///run/user/1000/docker.sock
    unix:///home/me/.docker/run/docker.sock
    unix:///run/podman/podman.sock
    unix:///run/user/1000/podman/podman.sock
    ");
    insta::assert_snapshot!(shown(EngineChoice::Podman), @r"
    unix:///run/podman/podman.sock
    unix:///run/user/1000/podman/podman.sock
    ");
}

#[test]
fn what_the_user_names_goes_before_a_context_and_both_before_the_rest() {
    let mut settings = ConnectSettings {
        docker_host: Some("tcp://one:1".to_owned()),
        context_host: Some("tcp://two:2".to_owned()),
        ..ConnectSettings::default()
    };
    assert_eq!(candidates(&settings).unwrap()[0].to_string(), "tcp://one:1");
    settings.docker_host = None;
    assert_eq!(candidates(&settings).unwrap()[0].to_string(), "tcp://two:2");
}

/// Writes Docker's settings with a context `far`, as Docker's command does.
fn docker_config(current: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = format!(r#"{{"auths": {{}}, "currentContext": "{current}"}}"#);
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    // The SHA-256 of `far`.
    let name = hex(&Sha256::digest(b"far"));
    let meta = folder.path().join("contexts/meta").join(name);
    std::fs::create_dir_all(&meta).unwrap();
    let text = r#"{"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://far:2375", "SkipTLSVerify": false}}}"#;
    std::fs::write(meta.join("meta.json"), text).unwrap();
    folder
}

#[test]
fn dockers_current_context_is_found() {
    let host = |current: &str, named: Option<&str>| {
        context_host(docker_config(current).path(), named).unwrap()
    };
    assert_eq!(host("far", None).as_deref(), Some("tcp://far:2375"));
    assert_eq!(host("", Some("far")).as_deref(), Some("tcp://far:2375"));
    assert_eq!(host("far", Some("default")), None);
    assert_eq!(host("default", None), None);
    assert_eq!(context_host(Path::new("/no/such/folder"), None).unwrap(), None);
}

#[test]
fn a_context_that_is_not_there_is_an_error() {
    let error = context_host(docker_config("near").path(), None).unwrap_err();
    assert!(error.to_string().contains("`near`"), "{error}");
}

#[test]
fn damaged_settings_are_an_error_with_their_path() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("config.json"), "{").unwrap();
    let error = context_host(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("config.json"), "{error}");
}
