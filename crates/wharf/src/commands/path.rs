//! What a path of the command line means: a model, or an app with its Dockerfile.

use std::path::{Path, PathBuf};

use wharf_model::recognise::{FileSource, Model};
use wharf_ops::{
    app::{self, AppOptions},
    build::weights::Weights,
    error::{Error, Result},
};
use wharf_spec::{codes, error::Explain as _, name::WorkloadName};

use super::Session;

/// A path as a command was given it.
pub(crate) struct Asked<'a> {
    /// The command's name, for advice.
    pub(crate) command: &'static str,
    pub(crate) target: &'a Path,
    pub(crate) dockerfile: Option<&'a Path>,
    pub(crate) weights: Weights,
}

/// What is there.
pub(crate) enum Found {
    Model(Box<Model>),
    App(App),
}

/// A folder that its Dockerfile builds.
pub(crate) struct App {
    pub(crate) name: WorkloadName,
    pub(crate) folder: PathBuf,
    pub(crate) options: AppOptions,
}

impl Asked<'_> {
    /// Finds it. Whether a folder is meant as a model or as an app is never guessed.
    pub(crate) async fn find(&self, session: &Session<'_>) -> Result<Found> {
        let path = session.config.folder.join(self.target);
        if let Some(dockerfile) = self.dockerfile {
            return self.named_dockerfile(session, &path, dockerfile);
        }
        if path.is_dir() && app::is_app(&path)? {
            return self.folder(session, &path).await;
        }
        Ok(Found::Model(Box::new(self.model(session).await?)))
    }

    async fn model(&self, session: &Session<'_>) -> Result<Model> {
        session.recognise_for_image(self.target, self.weights).await
    }

    /// A folder with a `Dockerfile` is an app, unless it is a model too.
    async fn folder(&self, session: &Session<'_>, path: &Path) -> Result<Found> {
        match self.model(session).await {
            Ok(model) => Err(self.both(&model)),
            Err(error) if error.code() == codes::NO_MODEL => Ok(self.app(path, None)),
            // Several models, or a damaged one.
            Err(error) => Err(error.hint(self.by_dockerfile())),
        }
    }

    fn named_dockerfile(
        &self,
        session: &Session<'_>,
        path: &Path,
        dockerfile: &Path,
    ) -> Result<Found> {
        if !path.is_dir() {
            let action = format!("--dockerfile: `{}` is no folder", self.target.display());
            return Err(Error::new(codes::FLAGS, action).hint(format!(
                "name the folder that the Dockerfile copies from, such as `wharf {} . --dockerfile FILE`",
                self.command
            )));
        }
        // By its place in the folder; where nothing is there, from where the person stands.
        let from_here = session.config.folder.join(dockerfile);
        let is_inside = path.join(dockerfile).exists() || !from_here.exists();
        Ok(self.app(path, Some(if is_inside { dockerfile.to_owned() } else { from_here })))
    }

    fn app(&self, path: &Path, dockerfile: Option<PathBuf>) -> Found {
        let shown = Some(self.target.to_owned());
        let options = AppOptions { shown, dockerfile, ..AppOptions::default() };
        Found::App(App { name: app::name(path), folder: path.to_owned(), options })
    }

    /// Returns the error of a folder that is both an app and a model.
    fn both(&self, model: &Model) -> Error {
        let file = model.sources.iter().find_map(|source| match source {
            FileSource::File(path) => path.file_name(),
            FileSource::Bytes(_) => None,
        });
        let file = self.target.join(file.unwrap_or_default());
        let (shown, file) = (self.target.display(), file.display());
        let action =
            format!("`{shown}` has a Dockerfile and a model, `{file}`: which one is meant?");
        Error::new(codes::FLAGS, action).hint(self.by_dockerfile()).hint(format!(
            "the model: `wharf {} {file}`, or write `model:` into `wharf.yaml`",
            self.command
        ))
    }

    fn by_dockerfile(&self) -> String {
        let (command, shown) = (self.command, self.target.display());
        format!("the Dockerfile: `wharf {command} {shown} --dockerfile {}`", app::DOCKERFILE)
    }
}

/// Returns the error of a flag that what was found cannot honour.
pub(crate) fn refused(flag: &str, why: &str) -> Error {
    let action = format!("`{flag}` cannot be honoured: {why}");
    Error::new(codes::UNSUPPORTED_FIELD, action).hint(format!("leave `{flag}` out"))
}

/// Why `--base` cannot be honoured for an app.
pub(crate) const OWN_BASE: &str = "the Dockerfile names its own base image";
