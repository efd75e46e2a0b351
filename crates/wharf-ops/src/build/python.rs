//! Images of kinds that run Python: a base, the requirements, and the same server in front.
//!
//! Requirements are installed in a container of the base, which then becomes an image: settings, certificates and
//! passwords of the index are mounted, so that no layer, history or configuration holds them. That image is kept
//! by the digest of what was asked for, so a change of the model installs nothing again.

use std::{collections::VecDeque, path::Path, time::Duration};

use futures_util::StreamExt as _;
use wharf_engine::{BuildRequest, ImageFacts, LogOptions};
use wharf_model::recognise::Model;
use wharf_oci::layer::{Content, Entry, Layer, Mode};
use wharf_spec::{
    codes,
    digest::Digest,
    event::Event,
    model::PythonNeeds,
    reference::Reference,
    status::Exit,
    version::PythonVersion,
    workload::{Command, Mount, Workload, WorkloadId, WorkloadKind},
};

use super::{
    FRAMING, Inputs, KEY_LABEL,
    dockerfile::Dockerfile,
    key, native,
    way::{Cache, Pull},
};
use crate::{
    context::{Context, InstallSettings, cancelled},
    error::{Error, Result},
    service::{self, BUILD_PREFIX},
    store::{RecordName, StateStore as _, folder::FolderStore},
};

/// The Python of models that say nothing, on machines without one.
const DEFAULT_PYTHON: &str = "3.12";

/// Where settings of the machine's `pip` are mounted while packages are installed.
const PIP_CONF: &str = "/etc/pip.conf";

/// How many lines of an installer are kept for its error.
const KEPT_LINES: usize = 20;

/// The image that requirements are installed into.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) name: String,
    pub(super) facts: ImageFacts,
}

/// Returns the name of the base image: the chosen one, else the image of a Python version.
pub(super) fn base_name(inputs: &Inputs<'_>, python_of_machine: Option<&str>) -> String {
    let Inputs { model, recipe, .. } = inputs;
    let base = match (&recipe.args.base_image, &recipe.args.python_version) {
        (Some(base), _) => Some(base),
        // A version that was asked for is meant before a file that lies there.
        (None, Some(_)) => None,
        (None, None) => model.build.base.as_ref(),
    };
    base.cloned().unwrap_or_else(|| format!("python:{}-slim", version(inputs, python_of_machine)))
}

/// Returns the version of Python: the chosen one, else what the model names, else that of this machine.
pub(super) fn version(inputs: &Inputs<'_>, python_of_machine: Option<&str>) -> String {
    let Inputs { model, recipe, .. } = inputs;
    let chosen = recipe.args.python_version.as_ref().map(PythonVersion::as_str);
    let of_model = model.card.python.as_ref().and_then(|needs| needs.version.as_deref());
    chosen.or(of_model).or(python_of_machine).unwrap_or(DEFAULT_PYTHON).to_owned()
}

/// Returns the base image, from the engine or pulled.
pub(super) async fn base(context: &Context, name: String, pull: Pull) -> Result<Base> {
    let reference: Reference = name.parse()?;
    let images = context.images()?;
    let there = if pull == Pull::Always { None } else { images.find(&name).await? };
    match there {
        Some(facts) => return Ok(Base { name, facts }),
        None if pull == Pull::Never => {
            let action =
                format!("there is no base image `{name}` in the engine, and none is pulled");
            return Err(Error::new(codes::NO_BASE, action).hint("leave `--pull never` out"));
        }
        None => {}
    }
    context.report(Event::Started { what: format!("pulling {name}") });
    let reporter = context.reporter.clone();
    let progress = move |line| reporter.report(Event::Output { line });
    let pulled = tokio::select! {
        pulled = images.pull(&reference, &progress) => pulled,
        () = context.cancel.cancelled() => return Err(cancelled()),
    };
    match pulled {
        Ok(facts) => Ok(Base { name, facts }),
        Err(error) => Err(Error::new(codes::NO_BASE, format!("there is no base image `{name}`"))
            .because(error)
            .hint("name one that is there with `--base IMAGE`; `docker images` lists them")),
    }
}

pub(super) fn needs(model: &Model) -> PythonNeeds {
    model.card.python.clone().unwrap_or_default()
}

/// Installs requirements for a store, and builds on top of them.
pub(super) struct Installer<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a FolderStore,
    pub(super) cache: Cache,
}

impl Installer<'_> {
    /// Builds the image: requirements first, then the model on top.
    pub(super) async fn build(
        &self,
        inputs: &Inputs<'_>,
        base: &Base,
        reference: &Reference,
        labels: &[(String, String)],
    ) -> Result<ImageFacts> {
        let context = self.context;
        let dependencies = self.install(base, &needs(inputs.model)).await?;
        context.report(Event::Started { what: format!("building {reference}") });
        let build_context = build_context(inputs, &dependencies)?;
        let reporter = context.reporter.clone();
        let output = move |line| reporter.report(Event::Output { line });
        let no_cache = self.cache == Cache::Ignore;
        let dockerfile = "Dockerfile";
        // Its base lies in the engine alone.
        let pull = false;
        let request = BuildRequest {
            reference,
            dockerfile,
            hides_files: false,
            labels,
            pull,
            no_cache,
            output: &output,
        };
        let (archive, written) = native::stream(move |writer| build_context.write(writer));
        let built = context.images()?.build(archive, request).await;
        written.finish(built).await
    }

    /// Returns an image of the base with the requirements installed: one that is there, or a new one.
    async fn install(&self, base: &Base, needs: &PythonNeeds) -> Result<String> {
        let mut image = base.name.clone();
        if !needs.system_packages.is_empty() {
            let packages = &needs.system_packages;
            image = self.step(&image, &base.facts.id, "system packages", apt(packages)).await?;
        }
        if !needs.requirements.is_empty() {
            let what = format!("{} Python requirements", needs.requirements.len());
            image = self.step(&image, &base.facts.id, &what, pip(needs)).await?;
        }
        Ok(image)
    }

    /// Runs one installer in a container of `from` and keeps the result as an image.
    async fn step(
        &self,
        from: &str,
        base_id: &str,
        what: &str,
        command: Vec<String>,
    ) -> Result<String> {
        let context = self.context;
        let key = key(&[FRAMING, "install", from, base_id, &command.join("\0")]);
        let reference = Reference::local("wharf/dependencies", &key.hex()[..12])?;
        let images = context.images()?;
        let found = images.find(&reference.to_string()).await?;
        let found = found.filter(|_| self.cache == Cache::Use);
        if found.is_some_and(|facts| facts.labels.get(KEY_LABEL) == Some(&key.to_string())) {
            return Ok(reference.to_string());
        }
        context.report(Event::Started { what: format!("installing {what} into {from}") });
        let mut job = self.job(from, &key, command)?;
        crate::deploy::seal(context, self.store, &mut job);
        let engine = &context.engine;
        let name = RecordName { project: job.id.project.clone(), name: job.id.name.clone() };
        // Whoever finds the job without a holder of its lease knows that its command was killed.
        let _lease = service::lease(context, self.store, &name).await?;
        engine.delete(&job.id, Duration::ZERO).await?;
        let installed = tokio::select! {
            installed = run(context, &job) => installed,
            () = context.cancel.cancelled() => Err(cancelled()),
        };
        let labels = [(KEY_LABEL.to_owned(), key.to_string())];
        let kept = match installed {
            Ok(()) => images.commit(&job.id, &reference, &labels).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        engine.delete(&job.id, Duration::ZERO).await?;
        kept.map(|_| reference.to_string())
    }

    fn job(&self, from: &str, key: &Digest, command: Vec<String>) -> Result<Workload> {
        let store = &self.store.id().0;
        let name = format!("{BUILD_PREFIX}{}-{}", &key.hex()[..12], &store[..store.len().min(8)]);
        let id = WorkloadId {
            project: self.context.project.clone(),
            name: name.parse().expect("hex digits make a name"),
            generation: 1,
        };
        Ok(Workload {
            command: Command::Args(command),
            mounts: mounts(self.context)?,
            ..Workload::new(id, WorkloadKind::Job, from)
        })
    }
}

/// Returns the context of the last step: the server and the model over an image that has all requirements.
fn build_context(inputs: &Inputs<'_>, from: &str) -> Result<Layer> {
    let dockerfile = Dockerfile { from, env: &inputs.recipe.env, ..Dockerfile::default() };
    let mut entries = native::bundle_entries(inputs.model);
    entries.push(native::server_entry(&inputs.program)?);
    entries.push(Entry {
        path: "Dockerfile".to_owned(),
        mode: Mode::Plain,
        content: Content::Bytes(dockerfile.render().into_bytes()),
    });
    Ok(Layer::new(entries))
}

/// Names of packages are arguments of a fixed script, never part of its text.
fn apt(packages: &[String]) -> Vec<String> {
    const SCRIPT: &str = "apt-get update -q && apt-get install -q -y --no-install-recommends -- \"$@\" \
                          && rm -rf /var/lib/apt/lists/*";
    let mut command = ["sh", "-c", SCRIPT, "sh"].map(str::to_owned).to_vec();
    command.extend_from_slice(packages);
    command
}

fn pip(needs: &PythonNeeds) -> Vec<String> {
    const PIP: [&str; 7] = [
        "python3",
        "-m",
        "pip",
        "install",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ];
    let mut command = PIP.map(str::to_owned).to_vec();
    for index in &needs.extra_indexes {
        command.push("--extra-index-url".to_owned());
        command.push(index.clone());
    }
    command.push("--".to_owned());
    command.extend_from_slice(&needs.requirements);
    command
}

/// Returns the files of this machine that an installer may read.
fn mounts(context: &Context) -> Result<Vec<Mount>> {
    let settings = &context.install;
    let mount = |source: &Path, target: &str| Mount {
        source: source.display().to_string(),
        target: target.to_owned(),
        read_only: true,
    };
    let folders =
        settings.folders.iter().map(|folder| mount(folder, &folder.display().to_string()));
    let mut mounts: Vec<_> = folders.collect();
    if let Some(bundle) = &settings.ca_bundle {
        mounts.push(mount(bundle, InstallSettings::CA_BUNDLE));
    }
    if let Some(path) = &settings.pip_conf {
        mounts.push(mount(path, PIP_CONF));
    }
    if !mounts.is_empty() && !context.engine.about().is_local {
        let action = "the settings of this machine's pip cannot reach a remote engine";
        return Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint(
            "build on the engine's own machine, or use a base image that has the requirements",
        ));
    }
    Ok(mounts)
}

/// Runs the installer; its lines are reported, and the last ones are its error.
async fn run(context: &Context, job: &Workload) -> Result<()> {
    let engine = &context.engine;
    engine.apply(job).await?;
    let mut last = VecDeque::with_capacity(KEPT_LINES);
    let mut lines = engine.logs(&job.id, LogOptions { follow: true, ..LogOptions::default() });
    while let Some(line) = lines.next().await {
        let line = line?.text;
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line.clone());
        context.report(Event::Output { line });
    }
    let Exit { code, out_of_memory, .. } = engine.wait(&job.id).await?;
    if code == 0 {
        return Ok(());
    }
    let lines: Vec<_> = last.into_iter().map(|line| format!("  | {line}")).collect();
    let why = if out_of_memory { "out of memory".to_owned() } else { format!("exit code {code}") };
    Err(Error::new(codes::REQUIREMENTS, format!("the requirements cannot be installed: {why}"))
        .with_excerpt(lines.join("\n"))
        .hint("mend the requirement that the lines name, or pick another Python with `--base python:VERSION-slim`"))
}
