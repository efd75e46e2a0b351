//! Podman keeps the properties of the conformance suite too. `lab/podman-up` starts its API service on a socket of its
//! own, beside whatever else the machine has.

#[path = "../support/mod.rs"]
mod support;

use wharf_engine::{
    conformance::Subject,
    connect::{ConnectSettings, EngineChoice},
    container_conformance, engine_conformance,
};

const SOCKET: &str = "unix:///run/wharf-lab/podman/podman.sock";

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
