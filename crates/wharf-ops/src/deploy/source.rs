//! What is deployed: a model with wharf's server, an app of one's own, or an image; and what follows from it for the
//! container.

use std::{collections::BTreeMap, path::Path};

use wharf_model::recognise::Model;
use wharf_spec::{
    codes,
    digest::Digest,
    label,
    name::WorkloadName,
    reference::Reference,
    workload::{Hardening, HealthCheck},
};

use crate::{
    app::{self, AppOptions},
    build::{self, BuildOptions, Built, Packing, SERVER_PATH, SERVER_PORT, weights},
    context::Context,
    error::{Error, Result},
    service::{GRACE_SECS, GRACE_SECS_OF_APPS},
    store::{folder::FolderStore, record::SourceKind},
};

/// What is deployed.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    Model {
        model: &'a Model,
        options: &'a BuildOptions,
    },
    /// A folder with a `Dockerfile`.
    App {
        folder: &'a Path,
        options: &'a AppOptions,
    },
    /// An image that is in the engine.
    Image(&'a Reference),
}

impl Source<'_> {
    /// Decides what of it the image holds.
    pub(super) fn packing(&self, context: &Context) -> Result<Packing> {
        match self {
            Self::Model { model, options } => weights::packing(context, model, options),
            Self::App { .. } | Self::Image(_) => Ok(Packing::default()),
        }
    }

    /// Builds its image, unless it is there.
    pub(super) async fn build(
        &self,
        context: &Context,
        store: &FolderStore,
        packing: Packing,
    ) -> Result<Built> {
        match self {
            Self::Model { model, options } => {
                build::build(context, store, model, options, packing).await
            }
            Self::App { folder, options } => app::build(context, folder, options).await,
            Self::Image(reference) => app::image(context, reference).await,
        }
    }

    /// Returns the ports on which it listens, as far as they are known, the lowest first.
    pub(super) fn ports(&self, built: &Built) -> Vec<u16> {
        match self {
            Self::Model { .. } => vec![SERVER_PORT],
            Self::App { .. } | Self::Image(_) => built.facts.exposed_ports.clone(),
        }
    }

    /// Returns the error of something whose port is not known.
    pub(super) fn no_port(&self) -> Error {
        let what = self.place();
        let action = format!("it is not known on which port `{what}` listens");
        let error = Error::new(codes::NO_PORT, action);
        let error =
            error.hint(format!("say it, as HOST:CONTAINER: `wharf up {what} -p 8000:8000`"));
        match self {
            Self::Model { .. } | Self::Image(_) => error,
            Self::App { .. } => error.hint("or add a line `EXPOSE 8000` to its Dockerfile"),
        }
    }

    /// Returns the variables that it gets besides those that were asked for.
    pub(super) fn variables(&self, name: &WorkloadName) -> BTreeMap<String, String> {
        match self {
            Self::Model { .. } => {
                BTreeMap::from([("WHARF_SERVE_HOSTS".to_owned(), name.to_string())])
            }
            Self::App { .. } | Self::Image(_) => BTreeMap::new(),
        }
    }

    /// Returns the check that the engine runs; `None` leaves it to the image's own.
    pub(super) fn health(&self) -> Option<HealthCheck> {
        match self {
            Self::Model { .. } => Some(HealthCheck {
                command: vec![SERVER_PATH.to_owned(), "probe".to_owned()],
                interval_secs: 10,
                timeout_secs: 5,
                start_period_secs: 60,
            }),
            Self::App { .. } | Self::Image(_) => None,
        }
    }

    /// Returns the labels that say how it shows that it is ready.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        match self {
            Self::Model { .. } => BTreeMap::new(),
            Self::App { .. } | Self::Image(_) => {
                BTreeMap::from([(label::READY.to_owned(), label::READY_HTTP.to_owned())])
            }
        }
    }

    pub(super) fn grace_secs(&self) -> u32 {
        match self {
            Self::Model { .. } => GRACE_SECS,
            Self::App { .. } | Self::Image(_) => GRACE_SECS_OF_APPS,
        }
    }

    pub(super) fn hardening(&self) -> Hardening {
        match self {
            Self::Model { model, .. } if model.card.runtime.is_native() => Hardening::native(),
            Self::Model { .. } | Self::App { .. } | Self::Image(_) => Hardening::default(),
        }
    }

    /// Returns what it is, for records and machine output.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Model { .. } => SourceKind::Model,
            Self::App { .. } => SourceKind::App,
            Self::Image(_) => SourceKind::Image,
        }
    }

    /// Returns what the person pointed at.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Model { model, .. } => model.shown.display().to_string(),
            Self::App { folder, options } => options.shown(folder),
            Self::Image(reference) => reference.to_string(),
        }
    }

    /// Returns the hash of a model.
    pub fn model_hash(&self) -> Option<Digest> {
        match self {
            Self::Model { model, .. } => Some(model.card.hash()),
            Self::App { .. } | Self::Image(_) => None,
        }
    }
}
