//! A folder with a `Dockerfile` becomes an image, built by the engine; an unchanged folder is not built again.

mod tree;

mod output;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use wharf_engine::{BuildRequest, ImageFacts, error::EngineError};
use wharf_oci::layer::Layer;
use wharf_spec::{codes, event::Event, name::WorkloadName, reference::Reference};

use crate::{
    build::{
        Built, KEY_LABEL, key, native,
        way::{Builder, Cache, Pull, Way},
    },
    context::{Context, cancelled},
    error::{Error, Result},
};
use output::Output;
use tree::Tree;

/// The Dockerfile of a folder, where no other is named.
pub const DOCKERFILE: &str = "Dockerfile";

/// Changes when the same folder would be sent otherwise.
const FRAMING: &str = "wharf app v1";

/// How an app is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppOptions {
    /// How the folder was written, for messages.
    pub shown: Option<PathBuf>,
    /// In place of the folder's `Dockerfile`; it may lie outside of the folder.
    pub dockerfile: Option<PathBuf>,
    /// The name of the image, in place of `wharf/<folder>:<key>`.
    pub reference: Option<Reference>,
    pub way: Way,
}

impl AppOptions {
    /// Returns the folder as people know it.
    pub fn shown(&self, folder: &Path) -> String {
        self.shown.as_deref().unwrap_or(folder).display().to_string()
    }
}

/// Returns what the app of a folder is called: as the folder is.
pub fn name(folder: &Path) -> WorkloadName {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().and_then(|name| WorkloadName::from_text(&name.to_string_lossy()));
    name.unwrap_or_else(|| "app".parse().expect("`app` is a name"))
}

/// Says whether a folder is an app: it has a `Dockerfile`, and no `wharf.yaml` with a `model:`.
///
/// # Errors
/// When its `wharf.yaml` cannot be read or understood.
pub fn is_app(folder: &Path) -> Result<bool> {
    Ok(folder.join(DOCKERFILE).is_file() && !wharf_model::recognise::is_declared(folder)?)
}

/// Builds the image of a folder with a `Dockerfile`, unless it is there.
///
/// # Errors
/// `BUILD_STEP` with the step and the builder's last lines; others when a file or `.dockerignore` cannot be read.
pub async fn build(context: &Context, folder: &Path, options: &AppOptions) -> Result<Built> {
    let start = Instant::now();
    refuse(options.way)?;
    let shown = options.shown(folder);
    let tree = read(folder, options.dockerfile.clone()).await?;
    context.report(Event::ContextRead {
        folder: shown.clone(),
        dockerfile: tree.shown_dockerfile.clone(),
        files: tree.files,
        size: tree.size,
    });
    let key = key(&[FRAMING, &tree.dockerfile, &tree.digest.to_string()]);
    let reference = match &options.reference {
        Some(reference) => reference.clone(),
        None => Reference::local(&format!("wharf/{}", name(folder)), &key.hex()[..12])?,
    };
    let made_of = tree.shown_dockerfile.clone();
    let found = context.images()?.find(&reference.to_string()).await?;
    let reusable = found.filter(|facts| facts.labels.get(KEY_LABEL) == Some(&key.to_string()));
    let reusable = reusable.filter(|_| options.way.cache == Cache::Use);
    let reused = reusable.is_some();
    let labels = [(KEY_LABEL.to_owned(), key.to_string())];
    let steps = Steps {
        shown: &shown,
        layer: tree.layer,
        dockerfile: &tree.dockerfile,
        hides_files: tree.hides_files,
        reference: &reference,
        labels: &labels,
        pull: options.way.pull == Pull::Always,
        cache: options.way.cache,
    };
    let facts = match reusable {
        Some(facts) => facts,
        None => tokio::select! {
            facts = by_engine(context, steps) => facts?,
            () = context.cancel.cancelled() => return Err(cancelled()),
        },
    };
    let by = context.engine.name();
    let built = Built { reference, facts, key, reused, sent: None, by };
    built.tell(context, format!("{made_of}, by {by}"), start);
    Ok(built)
}

/// Refuses by name what no engine does with somebody's own Dockerfile.
fn refuse(way: Way) -> Result<()> {
    let refused = |flag: &str, why: &str, hint: &str| {
        let action = format!("`{flag}` cannot be honoured: {why}");
        Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint(hint))
    };
    if way.builder == Builder::Native {
        let why = "only an engine runs the steps of a Dockerfile";
        return refused(
            "--builder native",
            why,
            "leave it out, or name the engine: `--builder docker`",
        );
    }
    if way.pull == Pull::Never {
        let why = "the engine itself pulls what a Dockerfile names and it does not have";
        return refused("--pull never", why, "leave it out: what the engine has is not pulled");
    }
    Ok(())
}

async fn read(folder: &Path, dockerfile: Option<PathBuf>) -> Result<Tree> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || Tree::read(&folder, dockerfile.as_deref()))
        .await
        .expect("reading a folder does not panic")
}

/// A context with its Dockerfile, for the engine's builder.
pub(crate) struct Steps<'a> {
    /// What is built, as people know it.
    pub(crate) shown: &'a str,
    pub(crate) layer: Layer,
    /// The Dockerfile's path in it.
    pub(crate) dockerfile: &'a str,
    /// Whether its `.dockerignore` names the Dockerfile, or itself.
    pub(crate) hides_files: bool,
    pub(crate) reference: &'a Reference,
    pub(crate) labels: &'a [(String, String)],
    /// Whether base images are pulled that the engine has.
    pub(crate) pull: bool,
    pub(crate) cache: Cache,
}

/// Lets the engine build a context.
///
/// # Errors
/// `BUILD_STEP` with the step and the builder's last lines.
pub(crate) async fn by_engine(context: &Context, steps: Steps<'_>) -> Result<ImageFacts> {
    let Steps { shown, layer, dockerfile, hides_files, reference, labels, pull, cache } = steps;
    context.report(Event::Started { what: format!("building {reference}") });
    let said = Output::default();
    let take = |line: String| {
        said.take(&line);
        context.report(Event::Output { line });
    };
    let (archive, written) = native::stream(move |writer| layer.write(writer));
    let no_cache = cache == Cache::Ignore;
    let request =
        BuildRequest { reference, dockerfile, hides_files, labels, pull, no_cache, output: &take };
    match context.images()?.build(archive, request).await {
        Err(EngineError::Refused { source, .. }) => {
            // A file that could not be sent is the deeper reason.
            written.finish(Ok(())).await?;
            Err(said.error(shown, source))
        }
        answer => written.finish(answer).await,
    }
}

/// Returns an image of the engine as something to run; nothing is built.
///
/// # Errors
/// `NO_IMAGE` when it is not there.
pub async fn image(context: &Context, reference: &Reference) -> Result<Built> {
    let name = reference.to_string();
    let found = context.images()?.find(&name).await?;
    let facts = found.ok_or_else(|| EngineError::NoImage { image: name.clone() })?;
    context.report(Event::ImageReady {
        reference: name,
        id: facts.id.clone(),
        made_of: "an image of the engine".to_owned(),
        size: facts.size,
        reused: true,
        took_ms: 0,
    });
    // Its own id says whether the same name means another image now.
    let key = key(&[FRAMING, &facts.id]);
    let by = context.engine.name();
    Ok(Built { reference: reference.clone(), facts, key, reused: true, sent: None, by })
}
