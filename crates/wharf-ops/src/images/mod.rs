//! Images of others: moved between registries, files and the engine, listed and removed. No layer is kept on the way.
//!
//! - [`source`]: where an image comes from, opened: [`push`](crate::push) takes it; [`pull`]: out of a registry;
//! - [`engine`]: out of an engine, `untaken`: later, if at all;
//! - [`repository`]: what a repository of a registry holds.

pub mod source;

pub mod pull;

pub mod engine;

mod untaken;

pub mod repository;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;
use wharf_oci::{
    copy::{Observer, Step, Way},
    registry::{Access, Registry, error::RegistryError, host::RegistryHost},
};
use wharf_spec::{event::Event, reference::Reference};

use crate::{
    context::{Reporter, cancelled},
    error::Result,
};

/// What is needed to deal with registries.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub access: Access,
    pub reporter: Arc<dyn Reporter>,
    /// Set when the user says stop.
    pub cancel: CancellationToken,
}

impl Transfer {
    /// Does something, until the user says stop.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.cancel.cancelled() => Err(cancelled()),
        }
    }
}

/// A repository of a registry that answers.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) registry: Arc<Registry>,
    pub(crate) repository: String,
}

impl At {
    pub(crate) async fn find(
        reference: &Reference,
        access: &Access,
    ) -> Result<Self, RegistryError> {
        let host = RegistryHost::of(reference);
        let repository = host.repository(reference);
        let registry = Arc::new(Registry::connect(host, &repository, access).await?);
        Ok(Self { registry, repository })
    }
}

/// Which way layers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Into a registry.
    Push,
    /// Out of one.
    Pull,
}

/// Turns steps of layers into events of the whole.
pub(crate) fn observer(reporter: &Arc<dyn Reporter>, size: u64, direction: Direction) -> Observer {
    let reporter = reporter.clone();
    let layers = Mutex::new(BTreeMap::new());
    Arc::new(move |step| {
        let layer = match &step {
            Step::Progress { layer, sent, .. } => (*layer, *sent),
            Step::Done { layer, size, .. } => (*layer, *size),
        };
        let moved = {
            let mut layers = layers.lock().expect("nobody panics with it");
            layers.insert(layer.0, layer.1);
            layers.values().sum()
        };
        if let Step::Done { layer, size, way } = step {
            let how = match way {
                Way::Found => "there already",
                Way::Mounted => "taken over",
                Way::Sent if direction == Direction::Pull => "fetched",
                Way::Sent => "sent",
            };
            reporter.report(Event::LayerMoved { layer, size, how: how.to_owned() });
        }
        reporter.report(match direction {
            Direction::Push => Event::Pushing { sent: moved, size },
            Direction::Pull => Event::Pulling { received: moved, size },
        });
    })
}
