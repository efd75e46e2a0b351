//! Where settings come from: the only reader of environment and home directories.

pub(crate) mod browser;

mod packages;

mod pip;

mod registry;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tokio_util::sync::CancellationToken;
use wharf_engine::connect::{ConnectSettings, EngineChoice, context_host};
use wharf_model::recognise::Model;
use wharf_net::client::Client;
use wharf_oci::keychain::Keychain;
use wharf_ops::{
    cache::FileCache,
    context::{Helpers, InstallSettings, Reporter},
    error::{Error, Result},
    python::{Network, Packages, resolve::LockPlace, target::Python},
    store::folder::{FolderStore, StoreIndex},
};
use wharf_spec::{
    codes, digest::Digest, error::Explain as _, name::ProjectName, reference::Reference,
    secret::Secret,
};

use self::browser::Browser;
use crate::{
    cli::Global,
    env_vars::{self, Variable},
};

/// The variables of a process, as they were when it started.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Returns this process's own.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads them")]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Returns exactly these, for tests.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    pub(crate) fn get(&self, variable: Variable) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(variable.0))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns all of them, for programs that are run.
    fn all(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    pub(crate) fn text(&self, variable: Variable) -> Option<String> {
        self.get(variable).map(|value| value.to_string_lossy().into_owned())
    }

    /// Returns a variable that programs also spell in lower case, such as `http_proxy`.
    pub(crate) fn either_case(&self, variable: Variable) -> Option<String> {
        let lower = variable.0.to_ascii_lowercase();
        let lower = self.0.get(OsStr::new(&lower)).filter(|value| !value.is_empty());
        lower.map(|value| value.to_string_lossy().into_owned()).or_else(|| self.text(variable))
    }

    fn path(&self, variable: Variable) -> Option<PathBuf> {
        self.get(variable).map(PathBuf::from)
    }
}

/// The settings of one command.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) project: ProjectName,
    /// Where relative paths begin.
    pub(crate) folder: PathBuf,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) helpers: Helpers,
    pub(crate) stores: StoreIndex,
    env: Env,
    data: PathBuf,
}

impl Config {
    /// Reads what every command needs; the rest is read when it is asked for.
    pub(crate) fn read(env: &Env, folder: &Path, program: &Path, global: &Global) -> Result<Self> {
        let folder = match &global.directory {
            Some(directory) => folder.join(directory),
            None => folder.to_owned(),
        };
        if !folder.is_dir() {
            let action = format!("there is no folder `{}`", folder.display());
            return Err(Error::new(codes::FLAGS, action).hint("correct `-C`"));
        }
        let project = global.project.clone().or_else(|| env.text(env_vars::WHARF_PROJECT));
        let project = match project {
            Some(name) => name.parse().map_err(|error| {
                Error::from(error).hint("projects are named by `-P NAME` or `WHARF_PROJECT`")
            })?,
            None => ProjectName::default_project(),
        };
        let beside = program.parent().unwrap_or(Path::new("."));
        let helpers = env.path(env_vars::WHARF_HELPERS).unwrap_or_else(|| beside.to_owned());
        let data = xdg(env, env_vars::XDG_DATA_HOME, ".local/share").join("wharf");
        let cache = xdg(env, env_vars::XDG_CACHE_HOME, ".cache").join("wharf");
        let cache = Arc::new(FileCache::of(&cache, program, SystemTime::now()));
        Ok(Self {
            project,
            folder,
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            helpers: Helpers { folder: helpers, cache },
            stores: StoreIndex { folder: data.join("stores") },
            env: env.clone(),
            data,
        })
    }

    /// Lets the command read all files again, whatever is known of them.
    pub(crate) fn rehash(&mut self) {
        self.helpers.cache = Arc::new(self.helpers.cache.rehashing());
    }

    /// Returns when images are to say that they were made, if `SOURCE_DATE_EPOCH` says so.
    pub(crate) fn created(&self) -> Result<Option<String>> {
        let Some(text) = self.env.text(env_vars::SOURCE_DATE_EPOCH) else { return Ok(None) };
        let created = text.parse().ok().and_then(wharf_oci::image::created);
        created.map(Some).ok_or_else(|| {
            let action =
                format!("SOURCE_DATE_EPOCH is `{text}`, and no number of seconds since 1970");
            Error::new(codes::FLAGS, action)
                .hint("set it as `date +%s` or `git log -1 --format=%ct` print it, or unset it")
        })
    }

    /// Returns the value of a variable that a declaration names.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.env.0.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
    }

    /// Returns where an engine is looked for: at this address, else in the usual places.
    pub(crate) fn engine_at(&self, address: Option<String>) -> Result<ConnectSettings> {
        match address {
            Some(address) => Ok(ConnectSettings {
                docker_host: Some(address),
                context_host: None,
                runtime_dir: None,
                home: None,
                engine: EngineChoice::Auto,
            }),
            None => self.engine(),
        }
    }

    /// Returns where engines are looked for.
    fn engine(&self) -> Result<ConnectSettings> {
        let env = &self.env;
        let home = env.path(env_vars::HOME);
        let docker = env
            .path(env_vars::DOCKER_CONFIG)
            .or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let docker_host = env.text(env_vars::DOCKER_HOST);
        if docker_host.is_some() && env.get(env_vars::DOCKER_TLS_VERIFY).is_some() {
            let action = "DOCKER_TLS_VERIFY is set, and wharf does not speak TLS to an engine yet";
            return Err(Error::new(codes::ENGINE_HOST, action)
                .hint("use the engine's socket: `DOCKER_HOST=unix:///var/run/docker.sock`"));
        }
        let context = env.text(env_vars::DOCKER_CONTEXT);
        let context_host = match (&docker_host, docker) {
            (None, Some(docker)) => context_host(&docker, context.as_deref())?,
            _ => None,
        };
        Ok(ConnectSettings {
            docker_host,
            context_host,
            runtime_dir: env.path(env_vars::XDG_RUNTIME_DIR),
            home,
            engine: EngineChoice::Auto,
        })
    }

    /// Returns what containers that install packages need of this machine's settings.
    pub(crate) fn install(&self) -> Result<InstallSettings> {
        let cache = xdg(&self.env, env_vars::XDG_CACHE_HOME, ".cache").join("wharf");
        pip::settings(&self.env, &cache)
    }

    /// Returns what Python packages are got with.
    pub(crate) fn packages(
        &self,
        network: Network,
        reporter: Arc<dyn Reporter>,
        cancel: CancellationToken,
    ) -> Result<Packages> {
        let cache = xdg(&self.env, env_vars::XDG_CACHE_HOME, ".cache").join("wharf");
        packages::packages(&self.env, cache, network, reporter, cancel)
    }

    /// Returns where the lock of a model lies: beside it, or in the user's data where that cannot be written.
    pub(crate) fn lock_place(&self, model: &Model) -> LockPlace {
        let name = crate::commands::lock::file_name(model, &self.folder.join(&model.shown));
        let folder = std::fs::canonicalize(&model.folder).unwrap_or_else(|_| model.folder.clone());
        let hash = Digest::blake3(folder.as_os_str().as_encoded_bytes()).hex();
        LockPlace {
            beside: model.folder.join(&name),
            fallback: self.data.join("locks").join(&hash[..16]).join(&name),
        }
    }

    /// Returns the minor version of this machine's own Python: `3.11`.
    pub(crate) fn python_minor(&self) -> Option<String> {
        pip::python_version(&self.env)
    }

    /// Returns the interpreter for a model that names a version: `python3.11` of PATH, else `python3`.
    pub(crate) fn python_of(&self, version: Option<Python>) -> Result<PathBuf> {
        let exact = version.map(|version| format!("python{}", version.minor_text()));
        let found = exact.and_then(|name| find_program(&self.env, Path::new(&name)));
        found.map_or_else(|| self.python(None), Ok)
    }

    /// Returns a folder for images of an engine while they are used.
    pub(crate) fn room_for_images(&self) -> PathBuf {
        xdg(&self.env, env_vars::XDG_CACHE_HOME, ".cache").join("wharf").join("images")
    }

    /// Returns where the credentials of registries lie.
    pub(crate) fn keychain(&self) -> Keychain {
        registry::keychain(&self.env)
    }

    /// Returns the password of a key that signs.
    pub(crate) fn key_password(&self) -> Option<Secret<String>> {
        self.env.text(env_vars::WHARF_KEY_PASSWORD).map(Secret::new)
    }

    /// Returns the client that registries are asked with; `ca` is a file of further certificates.
    pub(crate) fn client(&self, ca: Option<&Path>) -> Result<Client> {
        registry::client(&self.env, ca)
    }

    /// Returns the programs that open a page, in the order to try.
    pub(crate) fn browsers(&self) -> Vec<Browser> {
        browser::browsers(&self.env)
    }

    /// Returns the interpreter of `wharf serve`: the one that was named, else `python3` of PATH.
    pub(crate) fn python(&self, named: Option<&Path>) -> Result<PathBuf> {
        let missing = |what: &str| {
            Error::new(codes::NO_PYTHON, format!("{what} is not a Python interpreter"))
                .hint("name one with `--python PATH`, or run the model in a container: `wharf up`")
        };
        match named {
            Some(path) if path.components().count() > 1 => {
                let path = self.folder.join(path);
                if is_program(&path) {
                    Ok(path)
                } else {
                    Err(missing(&format!("`{}`", path.display())))
                }
            }
            Some(name) => find_program(&self.env, name)
                .ok_or_else(|| missing(&format!("`{}`", name.display()))),
            None => find_program(&self.env, Path::new("python3")).ok_or_else(|| {
                Error::new(
                    codes::NO_PYTHON,
                    "this model runs Python, and there is no `python3` on PATH",
                )
                .hint("name one with `--python PATH`, or run the model in a container: `wharf up`")
            }),
        }
    }

    /// Opens the state store of a model's folder, made where it is missing. A folder that cannot be written has
    /// its state in the user's data.
    pub(crate) fn store(&self, folder: &Path) -> Result<FolderStore> {
        let beside = folder.join(".wharf").join("state");
        match FolderStore::open_or_create(&beside) {
            Err(error) if error.code() == codes::FILE_ACCESS => {
                let absolute = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
                self.store_of(absolute.as_os_str().as_encoded_bytes())
            }
            other => other,
        }
    }

    /// Opens the state store of an image, whatever its tag: another tag is another version of the same thing.
    pub(crate) fn store_of_image(&self, image: &Reference) -> Result<FolderStore> {
        let host = image.host().unwrap_or_default();
        self.store_of(format!("image {host}/{}", image.path()).as_bytes())
    }

    fn store_of(&self, what: &[u8]) -> Result<FolderStore> {
        let hash = Digest::blake3(what).hex();
        FolderStore::open_or_create(&self.data.join("state").join(&hash[..16]))
    }
}

fn xdg(env: &Env, variable: Variable, beneath_home: &str) -> PathBuf {
    env.path(variable).filter(|path| path.is_absolute()).unwrap_or_else(|| {
        env.path(env_vars::HOME).unwrap_or_else(|| PathBuf::from("/")).join(beneath_home)
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn find_program(env: &Env, name: &Path) -> Option<PathBuf> {
    let path = env.get(env_vars::PATH)?;
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| is_program(path))
}
