//! `wharf build`: a model becomes an image, an archive of one, or a folder for `docker build`; an app becomes an image.

mod app;

mod document;

mod wish;

use std::{path::PathBuf, time::Instant};

use clap::Args;
use wharf_model::recognise::Model;
use wharf_oci::{image::Image, registry::Access};
use wharf_ops::{
    build::{
        self, Assembled,
        make::{self, Made, PlannedPart, Workshop},
        output::Output,
        weights::Weights,
    },
    error::Result,
    push::Supply,
};
use wharf_spec::quantity::ByteSize;

use super::{
    Session,
    key::SupplyArgs,
    model_events,
    path::{Asked, Found},
    registry::{self, RegistryArgs, Sending},
    way::WayArgs,
};
use crate::output::{
    report::seconds,
    style::Paint,
    table::{Align, Table},
};
use document::{BuildDocument, ResultDocument};
use wish::Wish;

/// Make an image of a model or an app, an archive of one, or a folder for `docker build`; the same again builds nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf build examples/iris -t ml/iris:1\n  \
                        wharf build examples/iris --to oci-archive:iris.tar --to context:iris-context\n  \
                        wharf build examples/iris -t localhost:5000/iris:1 --push\n  \
                        wharf build examples/own-dockerfile -t own:1\n  \
                        wharf build model.ubj -f builder.mlem --set args.platform=linux/amd64 --dry-run")]
pub(crate) struct BuildArgs {
    /// A model's file or a folder with one, or a folder with a `Dockerfile`
    target: PathBuf,
    /// A name of the image; may be given more than once for a model [default: wharf/MODEL:KEY]
    #[arg(short, long, value_name = "REF")]
    tag: Vec<String>,
    /// The Dockerfile of a folder, by its place in it or from here [default: Dockerfile]
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// `engine`, `context:PATH`, `docker-archive:PATH`, `oci-dir:PATH` or `oci-archive:PATH`; may be given more than once [default: engine; none with `--push`]
    #[arg(long, value_name = "OUT")]
    to: Vec<String>,
    /// Push the image to the registries of its names; no engine is needed
    #[arg(long)]
    push: bool,
    /// The base image of models that run Python: a name, or `oci-dir:PATH`, `oci-archive:PATH`, `docker-archive:PATH` [default: python:VERSION-slim]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// What the image runs on [default: what this machine is]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    way: WayArgs,
    /// Replace other images of these names, and whatever lies at the paths of `--to`
    #[arg(long)]
    force: bool,
    /// Read all files again for their digests, also those that did not change
    #[arg(long)]
    rehash: bool,
    /// Show what the image would be made of, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// A builder's declaration, as MLEM has them
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change a value of the declaration: `args.run_cmd=null`, `image.tag=2`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The image's name where there is no declaration: what MLEM's `build docker` comes to
    #[arg(long, value_name = "NAME", hide = true, conflicts_with_all = ["file", "to"])]
    declared_image: Option<String>,
    #[command(flatten)]
    supply: SupplyArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was planned or made.
struct Work {
    name: String,
    model_hash: Option<String>,
    parts: Vec<PlannedPart>,
    results: Vec<ResultDocument>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: BuildArgs) -> Result<u8> {
    let start = Instant::now();
    if args.rehash {
        session.config.rehash();
    }
    let dockerfile = args.dockerfile.as_deref();
    let weights = Weights::Image;
    let asked = Asked { command: "build", target: &args.target, dockerfile, weights };
    let work = match asked.find(session).await? {
        Found::Model(model) => of_model(session, &args, &model).await?,
        Found::App(found) => app::build(session, &args, found).await?,
    };
    let hashed = session.hashed();
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        session.console.json(&BuildDocument::of(&work, args.dry_run, hashed, took));
    } else if args.dry_run {
        table(&work.parts).lines().iter().for_each(|line| session.console.out(line));
    } else {
        work.results.iter().for_each(|result| print(session, result, took));
    }
    Ok(0)
}

async fn of_model(session: &Session<'_>, args: &BuildArgs, model: &Model) -> Result<Work> {
    let wish = Wish::read(args, session, model)?;
    let reporter = session.reporter();
    for event in model_events(model) {
        reporter.report(event);
    }
    let pushing = Pushing::prepare(session, args, model, &wish).await?;
    let (parts, made) = make(session, args, model, &wish).await?;
    let mut results: Vec<_> = made.iter().map(ResultDocument::of).collect();
    if let Some(pushing) = pushing.filter(|_| !args.dry_run) {
        results.extend(pushing.run(session, &wish).await?);
    }
    let (name, model_hash) = (model.card.name.to_string(), Some(model.card.hash().to_string()));
    Ok(Work { name, model_hash, parts, results })
}

/// What is needed for a push, known before anything is made: not every model has an image without an engine.
struct Pushing {
    image: Image,
    access: Access,
    supply: Supply,
}

impl Pushing {
    async fn prepare(
        session: &Session<'_>,
        args: &BuildArgs,
        model: &Model,
        wish: &Wish,
    ) -> Result<Option<Self>> {
        if wish.pushes.is_empty() {
            return Ok(None);
        }
        let access = args.registry.access(session)?;
        let engine = session.engine_at(wish.engine.clone(), args.way.engine()).ok();
        let supplies = session.supplies(model, access.clone(), engine)?;
        let (helpers, recipe) = (&session.config.helpers, &wish.request.recipe);
        let Assembled { image, bill } =
            build::assemble(helpers, model, recipe, supplies.as_ref()).await?;
        let supply = args.supply.read(session, bill).await?;
        Ok(Some(Self { image, access, supply }))
    }

    /// Pushes the image under each name.
    async fn run(self, session: &Session<'_>, wish: &Wish) -> Result<Vec<ResultDocument>> {
        let mut results = Vec::with_capacity(wish.pushes.len());
        for to in &wish.pushes {
            let sending = Sending {
                access: self.access.clone(),
                mount_from: Vec::new(),
                existing: wish.request.existing,
                supply: self.supply.clone(),
            };
            let pushed = registry::send(session, &self.image, to, sending).await?;
            results.push(ResultDocument::pushed(to, &pushed));
        }
        Ok(results)
    }
}

/// Plans or makes what is wished.
async fn make(
    session: &Session<'_>,
    args: &BuildArgs,
    model: &Model,
    wish: &Wish,
) -> Result<(Vec<PlannedPart>, Vec<Made>)> {
    let install =
        if model.card.runtime.is_native() { None } else { Some(session.config.install()?) };
    let python_of_machine = install.as_ref().and_then(|install| install.python_version.clone());
    let needs_engine = wish.request.outputs.contains(&Output::Engine);
    let mut context = None;
    if needs_engine {
        let choice = args.way.engine();
        let mut found = session.context_at(wish.engine.clone(), choice).await?;
        found.install = install.unwrap_or_default();
        context = Some(found);
    }
    // A dry run leaves nothing behind, an empty store neither.
    let store = if needs_engine && !args.dry_run {
        Some(session.config.store(&model.folder)?)
    } else {
        None
    };
    let engine = session.engine_at(wish.engine.clone(), args.way.engine()).ok();
    let supplies = session.supplies(model, args.registry.access(session)?, engine)?;
    let workshop = Workshop {
        helpers: &session.config.helpers,
        python_of_machine: python_of_machine.as_deref(),
        engine: context.as_ref(),
        store: store.as_ref(),
        cancel: &session.cancel,
        supplies: supplies.as_ref(),
    };
    if args.dry_run {
        return Ok((make::plan(&workshop, model, &wish.request).await?, Vec::new()));
    }
    Ok((Vec::new(), make::make(&workshop, model, &wish.request).await?))
}

fn table(parts: &[PlannedPart]) -> Table {
    let mut table = Table::new(&[
        ("PART", Align::Left),
        ("KEY", Align::Left),
        ("SIZE", Align::Right),
        ("STATE", Align::Left),
    ]);
    for PlannedPart { part, is_unchanged } in parts {
        let state = match is_unchanged {
            Some(true) => "unchanged",
            Some(false) => "new",
            None => "",
        };
        let size = part.size.map(|size| ByteSize(size).to_string()).unwrap_or_default();
        table.row([
            crate::output::text::line(&part.title),
            part.key.short(),
            size,
            state.to_owned(),
        ]);
    }
    table
}

fn print(session: &Session<'_>, result: &ResultDocument, took: u64) {
    let console = &session.console;
    let what = result.path.clone().unwrap_or_else(|| result.references.join(" "));
    let what = crate::output::text::line(&what);
    if session.config.quiet {
        console.out(&what);
        return;
    }
    let how = match result {
        ResultDocument { reused: false, .. } => seconds(took),
        ResultDocument { to: "registry", .. } => "nothing to send".to_owned(),
        _ => "nothing to build".to_owned(),
    };
    let mark = console.style.on_out(Paint::Good, "✓");
    let shown = console.style.on_out(Paint::Strong, &what);
    let digest = result.digest.as_deref().unwrap_or_default();
    let digest = digest.get(..19).unwrap_or(digest);
    let line = format!("{mark} {}  {shown}  {}  {digest}  {how}", result.to, ByteSize(result.size));
    console.out(&line.replace("    ", "  "));
}
