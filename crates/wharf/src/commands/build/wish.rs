//! What a build is asked for: a declaration, changed by flags and `--set`.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use serde::{Deserialize, Serialize};
use wharf_model::recognise::Model;
use wharf_ops::{
    build::{
        Existing,
        make::MakeRequest,
        output::{Output, Taken},
        recipe::Recipe,
        way::Builder as Chosen,
    },
    error::{Error, Result},
    images::source::Source,
};
use wharf_spec::{
    assign::{AssignError, Assignment, assign},
    build_args::DockerBuildArgs,
    builder::{Builder, DockerBuilder, DockerImage},
    codes,
    env::Env,
    error::Explain as _,
    object::read_builder,
    reference::Reference,
    registry::Registry,
    server::Server,
    yaml::MAX_BYTES,
};

use super::BuildArgs;
use crate::commands::{Session, path};

/// What to make, and the engine's address where the declaration has one.
pub(super) struct Wish {
    pub(super) request: MakeRequest,
    /// The names to push the image to.
    pub(super) pushes: Vec<Reference>,
    pub(super) engine: Option<String>,
}

/// What may be set without a declaration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undeclared {
    server: Option<Server>,
    args: DockerBuildArgs,
}

/// A declaration with all changes in it, and what it comes to.
#[derive(Default)]
struct Declared {
    server: Option<Server>,
    args: DockerBuildArgs,
    reference: Option<Reference>,
    output: Option<Output>,
    /// `force_overwrite`, of declarations of images.
    overwrites: Option<bool>,
    /// Whether the image is pushed to the registry of its name.
    pushes: bool,
    /// Whether its name is that of a registry; a name without a host may mean Docker's own.
    has_registry: bool,
    engine: Option<String>,
}

impl Wish {
    pub(super) fn read(args: &BuildArgs, session: &Session<'_>, model: &Model) -> Result<Self> {
        let config = &session.config;
        let changes = changes(args)?;
        let builder = match (&args.file, &args.declared_image) {
            (Some(file), _) => Some(declaration(&config.folder, file)?),
            (None, Some(image)) => Some(Builder::Docker(DockerBuilder::new(named(image)?))),
            (None, None) => None,
        };
        let mut declared = match builder {
            Some(builder) => Declared::of(changed(builder, &changes)?)?,
            None => {
                let Undeclared { server, args } = changed(Undeclared::default(), &changes)?;
                Declared { server, args, ..Declared::default() }
            }
        };
        let outputs = outputs(args, &declared, &config.folder)?;
        declared.refuse()?;
        let paths = declared.args.mlem_whl.iter_mut().chain(&mut declared.args.templates_dir);
        for path in paths {
            *path = config.folder.join(&*path).display().to_string();
        }
        if let Some(base) = declared.args.base_image.as_mut().filter(|base| Source::is_path(base)) {
            *base = base.parse::<Source>()?.below(&config.folder).to_string();
        }
        let references = if args.tag.is_empty() {
            declared.reference.iter().cloned().collect()
        } else {
            args.tag.iter().map(|text| tag(text)).collect::<Result<Vec<_>>>()?
        };
        let pushes = pushes(args, &declared, &outputs, &references)?;
        refuse_registry_flags(args, model, &pushes)?;
        refuse_builder(args, &outputs, &pushes)?;
        let mut way = args.way.read()?;
        if !pushes.is_empty() && way.builder == Chosen::Auto {
            // What the engine gets under the name is what the registry gets.
            way.builder = Chosen::Native;
        }
        let is_refused = declared.overwrites == Some(false) && !args.force;
        let request = MakeRequest {
            outputs,
            references,
            recipe: Recipe::new(declared.args, |name| config.variable(name))?
                .by(way)
                .created_at(config.created()?),
            existing: if is_refused { Existing::Refuse } else { Existing::Replace },
            taken: if args.force { replaceable(&config.folder, model) } else { Taken::Refuse },
        };
        Ok(Self { request, pushes, engine: declared.engine })
    }
}

impl Declared {
    fn of(builder: Builder) -> Result<Self> {
        match builder {
            Builder::Docker(builder) => Self::of_image(builder),
            Builder::DockerDir(builder) => Ok(Self {
                output: Some(Output::Context(builder.target.into())),
                server: builder.server,
                args: builder.args,
                ..Self::default()
            }),
        }
    }

    fn of_image(builder: DockerBuilder) -> Result<Self> {
        let reference = builder.reference().map_err(|error| {
            Error::new(
                codes::FILE_VALUE,
                "the declaration gives the image no name that can be used",
            )
            .because(error)
        })?;
        let of_env = builder.env.as_ref().map(|Env::Docker(env)| env.daemon.clone());
        let daemon = match (of_env, builder.daemon.clone()) {
            (Some(one), Some(other)) if one != other => {
                let action = "`env.daemon` and `daemon` name different engines";
                return Err(Error::new(codes::FILE_VALUE, action).hint("leave one of them out"));
            }
            (one, other) => one.or(other),
        };
        Ok(Self {
            reference: Some(reference),
            output: Some(Output::Engine),
            overwrites: Some(builder.force_overwrite),
            pushes: builder.push,
            has_registry: !matches!(builder.registry(), Registry::Local(_)),
            engine: daemon.map(|daemon| daemon.host).filter(|host| !host.is_empty()),
            server: builder.server,
            args: builder.args,
        })
    }

    /// Refuses by name what a declaration may say and wharf cannot do.
    fn refuse(&self) -> Result<()> {
        if let Some(Server::FastApi(server)) = &self.server
            && let Some(field) = server.changed().first()
        {
            let action = format!(
                "`server.{field}` cannot be honoured: wharf's own server has no such setting"
            );
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                .hint(format!("leave `server.{field}` out of the declaration")));
        }
        Ok(())
    }
}

/// Reads the declaration in a file.
fn declaration(folder: &Path, file: &Path) -> Result<Builder> {
    let path = folder.join(file);
    let mut text = String::new();
    File::open(&path)
        .and_then(|open| open.take(MAX_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(|error| Error::file("read", file, error))?;
    let shown = file.display().to_string();
    read_builder(&shown, &text)
        .map_err(|error| Error::wrap(format!("`{shown}` is not a builder's declaration"), error))
}

/// Returns what flags and `--set` change, each place once.
fn changes(args: &BuildArgs) -> Result<Vec<Assignment>> {
    let base = args.base.iter().map(|image| ("--base", Assignment::new("args.base_image", image)));
    let platform =
        args.platform.iter().map(|name| ("--platform", Assignment::new("args.platform", name)));
    let tag = args.tag.iter().take(1).map(|tag| ("-t", Assignment::new("image", tag)));
    let push = args.push.then(|| ("--push", Assignment::new("push", "true")));
    let mut said: Vec<_> = base.chain(platform).chain(tag).chain(push).collect();
    for text in &args.set {
        let change: Assignment = text.parse().map_err(refused)?;
        if let Some((other, _)) = said.iter().find(|(_, other)| other.overlaps(&change)) {
            let action = format!("`--set {}` and {other} say the same thing", change.path());
            return Err(Error::new(codes::FLAGS, action).hint("leave one of them out"));
        }
        said.push(("another `--set`", change));
    }
    // Names are no change of the declaration: there may be several. Nor is what goes without one.
    let is_change = |flag: &str| !matches!(flag, "-t" | "--push");
    Ok(said.into_iter().filter(|(flag, _)| is_change(flag)).map(|(_, change)| change).collect())
}

fn changed<T: Serialize + for<'de> Deserialize<'de>>(
    object: T,
    changes: &[Assignment],
) -> Result<T> {
    changes.iter().try_fold(object, |object, change| assign(&object, change)).map_err(refused)
}

fn refused(error: AssignError) -> Error {
    let own = Error::new(error.code(), error.to_string());
    error.hints().into_iter().fold(own, Error::hint)
}

/// Returns where the build goes, with paths from the folder of the command.
fn outputs(args: &BuildArgs, declared: &Declared, folder: &Path) -> Result<Vec<Output>> {
    let read = |text: &String| {
        text.parse::<Output>().map_err(|error| {
            Error::new(codes::FLAGS, format!("--to: {error}")).hint("see `wharf build --help`")
        })
    };
    let named = args.to.iter().map(read).collect::<Result<Vec<_>>>()?;
    let outputs = match (named.is_empty(), &declared.output) {
        (false, _) => named,
        (true, Some(output)) => vec![output.clone()],
        (true, None) if args.push => Vec::new(),
        (true, None) => vec![Output::Engine],
    };
    Ok(outputs.into_iter().map(|output| output.below(folder)).collect())
}

/// Returns the names to push to: all of them by `--push`, those with a registry by a declaration.
fn pushes(
    args: &BuildArgs,
    declared: &Declared,
    outputs: &[Output],
    references: &[Reference],
) -> Result<Vec<Reference>> {
    let has_registry = |reference: &&Reference| {
        reference.host().is_some() || args.tag.is_empty() && declared.has_registry
    };
    // `--to` takes the place of all that a declaration says about where it goes.
    let is_declared = declared.pushes && outputs.contains(&Output::Engine);
    let pushes: Vec<_> = if args.push || is_declared {
        references.iter().filter(has_registry).cloned().collect()
    } else {
        Vec::new()
    };
    if args.push && (pushes.is_empty() || pushes.len() < references.len()) {
        let action = match references.iter().find(|reference| !pushes.contains(reference)) {
            Some(name) => format!("--push: `{name}` names no registry"),
            None => "--push: the image has no name to push to".to_owned(),
        };
        return Err(Error::new(codes::FLAGS, action)
            .hint("name it with its registry: `-t HOST/REPOSITORY:TAG`"));
    }
    Ok(pushes)
}

/// Refuses flags for a registry that nobody asks: what is pushed goes to one, and the base of a Python comes from one.
fn refuse_registry_flags(args: &BuildArgs, model: &Model, pushes: &[Reference]) -> Result<()> {
    match args.registry.given() {
        Some(flag) if pushes.is_empty() && model.card.runtime.is_native() => {
            Err(Error::new(codes::FLAGS, format!("{flag} is for a push, and nothing is pushed"))
                .hint("add `--push`, or leave it out"))
        }
        _ => Ok(()),
    }
}

/// Refuses an engine that nothing is built by.
fn refuse_builder(args: &BuildArgs, outputs: &[Output], pushes: &[Reference]) -> Result<()> {
    let builder = args.way.read()?.builder;
    let why = match builder.is_engine() {
        true if !outputs.contains(&Output::Engine) => "nothing goes into an engine",
        true if !pushes.is_empty() => "what is pushed is made without an engine",
        _ => return Ok(()),
    };
    Err(path::refused(&format!("--builder {builder}"), why))
}

fn named(image: &str) -> Result<DockerImage> {
    Ok(DockerImage { name: image.to_owned(), ..DockerImage::from(&"x".parse::<Reference>()?) })
}

pub(super) fn tag(text: &str) -> Result<Reference> {
    let reference: Reference = text.parse()?;
    if text.contains('@') {
        let action = format!("-t: `{text}` has a digest, which an image gets when it is built");
        return Err(Error::new(codes::FLAGS, action).hint("name it with a tag"));
    }
    Ok(reference)
}

/// A target may be replaced, but not when the model or the folder of the command lies in it.
fn replaceable(folder: &Path, model: &Model) -> Taken {
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Taken::Replace { except: vec![whole(folder), whole(&model.folder)] }
}
