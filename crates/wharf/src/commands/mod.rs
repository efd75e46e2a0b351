//! One file for each command: its arguments (the doc comments are its help) and what it does.

pub(crate) mod inspect;

pub(crate) mod serve;

pub(crate) mod predict;

pub(crate) mod lock;

pub(crate) mod build;

pub(crate) mod up;

pub(crate) mod down;

pub(crate) mod ps;

pub(crate) mod status;

pub(crate) mod wait;

pub(crate) mod logs;

pub(crate) mod open;

pub(crate) mod push;

pub(crate) mod pull;

pub(crate) mod login;

pub(crate) mod logout;

pub(crate) mod image;

pub(crate) mod registry;

pub(crate) mod key;

pub(crate) mod path;

pub(crate) mod way;

mod supplies;

pub(crate) mod explain;

use std::{path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;
use wharf_engine::{
    Engine,
    connect::{ConnectSettings, EngineChoice},
};
use wharf_model::{
    error::ModelError,
    recognise::{Model, recognise_with},
};
use wharf_ops::{
    build::{ahead::Ahead, weights::Weights},
    cache::FileCache,
    context::{Clock, Context, InstallSettings, Reporter},
    error::{Error, Result},
    images::engine::{EngineAt, EngineStore},
};
use wharf_spec::{codes, event::Event, name::WorkloadName};

use crate::{
    config::Config,
    output::{Console, report::Lines},
};

/// What every command works with.
pub(crate) struct Session<'a> {
    pub(crate) config: Config,
    pub(crate) console: &'a mut Console,
    pub(crate) engine: Option<Arc<dyn Engine>>,
    pub(crate) cancel: CancellationToken,
}

impl Session<'_> {
    /// Connects to the engine and returns what operations work with.
    pub(crate) async fn context(&self) -> Result<Context> {
        self.context_at(None, EngineChoice::Auto).await
    }

    /// Connects to the engine at an address, or to the one of this kind that is found.
    pub(crate) async fn context_at(
        &self,
        address: Option<String>,
        choice: EngineChoice,
    ) -> Result<Context> {
        let engine = self.engine_at(address, choice)?.connect().await?;
        Ok(Context {
            engine,
            project: self.config.project.clone(),
            reporter: self.reporter(),
            clock: Arc::new(SystemClock),
            cancel: self.cancel.clone(),
            helpers: self.config.helpers.clone(),
            install: InstallSettings::default(),
            supplies: None,
            stores: self.config.stores.clone(),
        })
    }

    /// Returns the engine at an address, or the one of this kind that is found, which is looked for when it is needed.
    pub(crate) fn engine_at(
        &self,
        address: Option<String>,
        choice: EngineChoice,
    ) -> Result<EngineAt> {
        if let Some(engine) = &self.engine {
            return Ok(EngineAt::Connected(engine.clone()));
        }
        let settings = self.config.engine_at(address)?;
        Ok(EngineAt::Wanted(ConnectSettings { engine: choice, ..settings }))
    }

    /// Returns the images of the engine that is found.
    pub(crate) fn engine_store(&self) -> Result<EngineStore> {
        Ok(self.images_of(self.engine_at(None, EngineChoice::Auto)?))
    }

    /// Returns the images of an engine.
    fn images_of(&self, engine: EngineAt) -> EngineStore {
        let (room, cache) = (self.config.room_for_images(), self.config.helpers.cache.clone());
        EngineStore { engine, room, cache }
    }

    /// Returns what writes events to stderr.
    pub(crate) fn reporter(&self) -> Arc<dyn Reporter> {
        let quiet = self.config.quiet || self.config.json;
        Arc::new(Lines::new(self.console.clone(), self.config.verbose, quiet))
    }

    /// Returns how many bytes of files were read for their hashes, and reports it.
    pub(crate) fn hashed(&self) -> u64 {
        let cache = &self.config.helpers.cache;
        let bytes = cache.hashed();
        self.reporter().report(Event::Hashed { bytes, not_kept: cache.trouble() });
        bytes
    }

    /// Recognises the model at a path of the command line.
    pub(crate) async fn recognise(&self, target: &Path) -> Result<Model> {
        self.read(target, |path, cache| recognise_with(path, cache)).await
    }

    /// Recognises the model at a path of the command line, which is to become an image.
    pub(crate) async fn recognise_for_image(
        &self,
        target: &Path,
        weights: Weights,
    ) -> Result<Model> {
        self.read(target, move |path, cache| recognise_with(path, &Ahead { cache, weights })).await
    }

    async fn read(
        &self,
        target: &Path,
        reader: impl FnOnce(&Path, &FileCache) -> Result<Model, ModelError> + Send + 'static,
    ) -> Result<Model> {
        let path = self.config.folder.join(target);
        let shown = target.to_owned();
        let cache = self.config.helpers.cache.clone();
        let reading = tokio::task::spawn_blocking(move || reader(&path, &cache));
        let mut model = reading.await.map_err(|panic| {
            Error::new(codes::BUG, "the model's reader failed").because(panic)
        })??;
        model.shown = shown;
        Ok(model)
    }
}

/// Parses the name of a service.
pub(crate) fn service_name(text: &str) -> Result<WorkloadName> {
    text.parse()
        .map_err(|error| Error::from(error).hint("see the names of what runs with `wharf ps -a`"))
}

/// Returns the events that tell of a recognised model.
pub(crate) fn model_events(model: &Model) -> Vec<Event> {
    let card = &model.card;
    let recognised = Event::Recognised {
        file: model.shown.display().to_string(),
        kind: card.kind.to_string(),
        runtime: card.runtime.to_string(),
        summary: inspect::summary(card),
        size: card.size(),
        hash: card.hash(),
    };
    let risks =
        card.risks.iter().map(|risk| Event::Risk { level: risk.level, text: risk.text.clone() });
    std::iter::once(recognised).chain(risks).collect()
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
