//! Every engine that a plain machine can have keeps the properties of the conformance suite.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use wharf_engine::{
    conformance::Subject,
    connect::{ConnectSettings, EngineChoice},
    container_conformance, engine_conformance,
    fake::Fake,
};

async fn fake() -> Subject {
    let engine = Fake::default();
    Subject { again: Arc::new(engine.clone()), engine: Arc::new(engine), image: "any".to_owned() }
}

async fn docker() -> Subject {
    let settings = ConnectSettings { engine: EngineChoice::Docker, ..ConnectSettings::default() };
    support::subject(settings).await
}

engine_conformance!(on_fake, fake());
engine_conformance!(
    #[ignore = "needs engine"]
    on_docker,
    docker()
);
container_conformance!(
    #[ignore = "needs engine"]
    in_docker,
    docker()
);
