//! What the word after `wharf up` means: a path that is there, else an image of the engine.

use std::path::{Path, PathBuf};

use wharf_model::recognise::{FileSource, Model};
use wharf_ops::{
    app::{self, AppOptions},
    build::BuildOptions,
    context::Context,
    deploy::source::Source,
    error::{Error, Result},
    store::folder::FolderStore,
};
use wharf_spec::{
    codes,
    error::{Explain as _, Kind},
    name::WorkloadName,
    reference::Reference,
};

use super::{
    super::{Session, model_events},
    UpArgs,
};

/// What is to run.
pub(super) enum Target {
    Model { model: Box<Model>, options: BuildOptions },
    App { name: WorkloadName, folder: PathBuf, options: AppOptions },
    Image { name: WorkloadName, reference: Reference },
}

impl Target {
    /// Finds it: a model or an app at a path, or an image where there is no such path.
    pub(super) async fn find(session: &Session<'_>, args: &UpArgs) -> Result<Self> {
        let path = session.config.folder.join(&args.target);
        if let Some(dockerfile) = &args.dockerfile {
            return named_dockerfile(session, &path, args, dockerfile);
        }
        if path.is_dir() {
            return folder(session, &path, args).await;
        }
        if path.exists() {
            return model(session, args).await;
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
        let missing = model(session, args).await;
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
            Self::App { name, .. } | Self::Image { name, .. } => name,
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        match self {
            Self::Model { model, options } => Source::Model { model, options },
            Self::App { folder, options, .. } => Source::App { folder, options },
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
            Self::App { folder, .. } => session.config.store(folder),
            Self::Image { reference, .. } => session.config.store_of_image(reference),
        }
    }
}

async fn model(session: &Session<'_>, args: &UpArgs) -> Result<Target> {
    let model = session.recognise(&args.target).await?;
    let options = BuildOptions { base: args.base.clone(), reference: None };
    Ok(Target::Model { model: Box::new(model), options })
}

/// A folder with a `Dockerfile` is an app, unless `wharf.yaml` says that it is a model. One that is both is refused.
async fn folder(session: &Session<'_>, path: &Path, args: &UpArgs) -> Result<Target> {
    if !app::is_app(path)? {
        return model(session, args).await;
    }
    match session.recognise(&args.target).await {
        Ok(model) => Err(both(&args.target, &model)),
        Err(error) if error.code() == codes::NO_MODEL => app(path, args, None),
        // Several models, or a damaged one.
        Err(error) => Err(error.hint(by_dockerfile(&args.target))),
    }
}

/// Returns the error of a folder that is both an app and a model.
fn both(shown: &Path, model: &Model) -> Error {
    let file = model.sources.iter().find_map(|source| match source {
        FileSource::File(path) => path.file_name(),
        FileSource::Bytes(_) => None,
    });
    let file = shown.join(file.unwrap_or_default());
    let file = file.display();
    let action = format!(
        "`{}` has a Dockerfile and a model, `{file}`: which one is meant?",
        shown.display()
    );
    Error::new(codes::FLAGS, action)
        .hint(by_dockerfile(shown))
        .hint(format!("the model: `wharf up {file}`, or write `model:` into `wharf.yaml`"))
}

fn by_dockerfile(shown: &Path) -> String {
    format!("the Dockerfile: `wharf up {} --dockerfile {}`", shown.display(), app::DOCKERFILE)
}

fn named_dockerfile(
    session: &Session<'_>,
    path: &Path,
    args: &UpArgs,
    dockerfile: &Path,
) -> Result<Target> {
    if !path.is_dir() {
        let action = format!("--dockerfile: `{}` is no folder", args.target.display());
        return Err(Error::new(codes::FLAGS, action)
            .hint("name the folder that the Dockerfile copies from, such as `wharf up . --dockerfile FILE`"));
    }
    // By its place in the folder; where nothing is there, from where the person stands.
    let from_here = session.config.folder.join(dockerfile);
    let is_inside = path.join(dockerfile).exists() || !from_here.exists();
    let dockerfile = if is_inside { dockerfile.to_owned() } else { from_here };
    app(path, args, Some(dockerfile))
}

fn app(path: &Path, args: &UpArgs, dockerfile: Option<PathBuf>) -> Result<Target> {
    if args.base.is_some() {
        let action = "`--base` has no effect: the Dockerfile names its own base image";
        return Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint("leave `--base` out"));
    }
    let options = AppOptions { shown: Some(args.target.clone()), dockerfile, reference: None };
    Ok(Target::App { name: app::name(path), folder: path.to_owned(), options })
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
        let action = "`--base` has no effect: an image is run as it is";
        return Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint("leave `--base` out"));
    }
    let last = reference.path().rsplit('/').next().unwrap_or_default();
    let fallback = || "app".parse().expect("`app` is a name");
    let name = WorkloadName::from_text(last).unwrap_or_else(fallback);
    Ok(Some(Target::Image { name, reference }))
}
