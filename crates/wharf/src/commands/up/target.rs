//! What the word after `wharf up` means: a path that is there, else an image of the engine.

use wharf_model::recognise::Model;
use wharf_ops::{
    build::BuildOptions, context::Context, deploy::source::Source, error::Result,
    store::folder::FolderStore,
};
use wharf_spec::{
    codes,
    error::{Explain as _, Kind},
    name::WorkloadName,
    reference::Reference,
};

use super::{
    super::{
        Session, model_events,
        path::{App, Asked, Found, OWN_BASE, refused},
    },
    UpArgs,
};

/// What is to run.
pub(super) enum Target {
    Model { model: Box<Model>, options: BuildOptions },
    App(App),
    Image { name: WorkloadName, reference: Reference },
}

impl Target {
    /// Finds it: a model or an app at a path, or an image where there is no such path.
    pub(super) async fn find(session: &Session<'_>, args: &UpArgs) -> Result<Self> {
        let is_path = session.config.folder.join(&args.target).exists();
        if is_path || args.dockerfile.is_some() {
            return at_path(session, args).await;
        }
        let hint = match image(session, args).await {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => "nor has the engine an image of that name: `docker images` lists them",
            // That there is no such path is what a person can mend; the engine may not even be wanted.
            Err(error) if matches!(error.code().kind(), Kind::Unreachable | Kind::Denied) => {
                "the engine could not be asked whether it is an image: `wharf ps` says why"
            }
            Err(error) => return Err(error),
        };
        let missing = at_path(session, args).await;
        missing.map_err(
            |error| {
                if error.code() == codes::NO_MODEL { error.hint(hint) } else { error }
            },
        )
    }

    /// Returns what the service is called, unless somebody says otherwise.
    pub(super) fn name(&self) -> &WorkloadName {
        match self {
            Self::Model { model, .. } => &model.card.name,
            Self::App(App { name, .. }) | Self::Image { name, .. } => name,
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        match self {
            Self::Model { model, options } => Source::Model { model, options },
            Self::App(App { folder, options, .. }) => Source::App { folder, options },
            Self::Image { reference, .. } => Source::Image(reference),
        }
    }

    /// Reports what a model is; the others are told when their image is there.
    pub(super) fn tell(&self, context: &Context) {
        if let Self::Model { model, .. } = self {
            for event in model_events(model) {
                context.report(event);
            }
        }
    }

    pub(super) fn runs_python(&self) -> bool {
        matches!(self, Self::Model { model, .. } if !model.card.runtime.is_native())
    }

    /// Opens the store that its state belongs to.
    pub(super) fn store(&self, session: &Session<'_>) -> Result<FolderStore> {
        match self {
            Self::Model { model, .. } => session.config.store(&model.folder),
            Self::App(App { folder, .. }) => session.config.store(folder),
            Self::Image { reference, .. } => session.config.store_of_image(reference),
        }
    }
}

async fn at_path(session: &Session<'_>, args: &UpArgs) -> Result<Target> {
    let dockerfile = args.dockerfile.as_deref();
    match (Asked { command: "up", target: &args.target, dockerfile }).find(session).await? {
        Found::Model(model) => {
            let options = BuildOptions { base: args.base.clone(), reference: None };
            Ok(Target::Model { model, options })
        }
        Found::App(_) if args.base.is_some() => Err(refused("--base", OWN_BASE)),
        Found::App(app) => Ok(Target::App(app)),
    }
}

/// Returns the image that the engine has under that name.
async fn image(session: &Session<'_>, args: &UpArgs) -> Result<Option<Target>> {
    let written = args.target.to_str().filter(|text| !text.starts_with(['.', '/']));
    let Some(Ok(reference)) = written.map(str::parse::<Reference>) else { return Ok(None) };
    let context = session.context().await?;
    if context.images()?.find(&reference.to_string()).await?.is_none() {
        return Ok(None);
    }
    if args.base.is_some() {
        return Err(refused("--base", "an image is run as it is"));
    }
    let last = reference.path().rsplit('/').next().unwrap_or_default();
    let fallback = || "app".parse().expect("`app` is a name");
    let name = WorkloadName::from_text(last).unwrap_or_else(fallback);
    Ok(Some(Target::Image { name, reference }))
}
