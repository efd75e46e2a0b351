//! Podman keeps the properties of the conformance suite too. Its API service is expected on a socket of its own,
//! beside whatever else the machine has: `podman system service --time=0 unix:///run/podman-up/podman.sock`.

#[path = "../support/mod.rs"]
mod support;

use wharf_engine::{
    conformance::Subject,
    connect::{ConnectSettings, EngineChoice},
    container_conformance, engine_conformance,
};

const SOCKET: &str = "unix:///run/podman-up/podman.sock";

async fn podman() -> Subject {
    support::subject(ConnectSettings {
        docker_host: Some(SOCKET.to_owned()),
        engine: EngineChoice::Podman,
        ..ConnectSettings::default()
    })
    .await
}

engine_conformance!(
    #[ignore = "needs engine"]
    on_podman,
    podman()
);
container_conformance!(
    #[ignore = "needs engine"]
    in_podman,
    podman()
);
