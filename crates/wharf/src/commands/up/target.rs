//! What the word after `wharf up` means: a path that is there, else an image of the engine.

use wharf_model::recognise::Model;
use wharf_oci::{manifest::Platform, store::Which};
use wharf_ops::{
    build::{BuildOptions, way::Builder, weights::Weights},
    context::Context,
    deploy::source::Source,
    error::Result,
    images::pull::{self, PullRequest},
    store::folder::FolderStore,
    supply::signature,
};
use wharf_spec::{
    codes,
    error::{Explain as _, Kind},
    name::WorkloadName,
    reference::Reference,
};

use super::{
    super::{
        Session, key, model_events,
        path::{App, Asked, Found, OWN_BASE, refused},
        registry::Moving,
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
        if args.verify {
            return verified(session, args).await;
        }
        let is_native = args.way.read()?.builder == Builder::Native;
        if let Some(flag) = args.registry.given().filter(|_| !is_native) {
            return Err(refused(
                flag,
                "no registry is asked without `--verify` or `--builder native`",
            ));
        }
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

    /// Returns the model, if it runs Python.
    pub(super) fn with_python(&self) -> Option<&Model> {
        match self {
            Self::Model { model, .. } if !model.card.runtime.is_native() => Some(model),
            Self::Model { .. } | Self::App(_) | Self::Image { .. } => None,
        }
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
    let weights = args.weights()?;
    let asked = Asked { command: "up", target: &args.target, dockerfile, weights };
    match asked.find(session).await? {
        Found::Model(model) => {
            let (base, way) = (args.base.clone(), args.way.read()?);
            let options = BuildOptions { base, way, weights, ..BuildOptions::default() };
            Ok(Target::Model { model, options })
        }
        Found::App(_) if args.base.is_some() => Err(refused("--base", OWN_BASE)),
        Found::App(_) if weights != Weights::Auto => {
            Err(refused("--weights", "what a Dockerfile copies is in its image"))
        }
        Found::App(mut app) => {
            app.options.way = args.way.read()?;
            Ok(Target::App(app))
        }
    }
}

/// Returns the image that the engine has under that name.
async fn image(session: &Session<'_>, args: &UpArgs) -> Result<Option<Target>> {
    let written = args.target.to_str().filter(|text| !text.starts_with(['.', '/']));
    let Some(Ok(reference)) = written.map(str::parse::<Reference>) else { return Ok(None) };
    let context = session.context_at(None, args.way.engine()).await?;
    if context.images()?.find(&reference.to_string()).await?.is_none() {
        return Ok(None);
    }
    as_it_is(args)?;
    Ok(Some(named(reference)))
}

/// Returns an image of a registry after its signature was checked, by the digest that was checked.
async fn verified(session: &Session<'_>, args: &UpArgs) -> Result<Target> {
    as_it_is(args)?;
    if args.dockerfile.is_some() {
        return Err(refused("--dockerfile", "an image is run as it is"));
    }
    let reference: Reference = args.target.to_string_lossy().parse()?;
    let keys = key::public_keys(session, &args.key)?;
    let access = args.registry.access(session)?;
    let verified = signature::verify(&reference, &keys, &access, &session.cancel).await?;
    let context = session.context_at(None, args.way.engine()).await?;
    let moving = Moving::new(session, access);
    // By wharf itself, which has the user's credentials, under a name that no other content gets.
    let name = pull::local_name(&verified.reference)?;
    let which = Which::For(Platform::of_this_machine());
    let request = PullRequest { reference: &verified.reference, which: &which, name: &name };
    pull::into_engine(&context, &request, &moving.transfer).await?;
    Ok(named(name))
}

/// Refuses the flags that say how something is built.
fn as_it_is(args: &UpArgs) -> Result<()> {
    let base = args.base.as_ref().map(|_| "--base");
    let weights = (args.weights()? != Weights::Auto).then_some("--weights");
    match base.or(weights).or_else(|| args.way.given()) {
        Some(flag) => Err(refused(flag, "an image is run as it is")),
        None => Ok(()),
    }
}

/// Returns an image under the name that its reference suggests.
fn named(reference: Reference) -> Target {
    let last = reference.path().rsplit('/').next().unwrap_or_default();
    let fallback = || "app".parse().expect("`app` is a name");
    let name = WorkloadName::from_text(last).unwrap_or_else(fallback);
    Target::Image { name, reference }
}
