//! `wharf build`: a model becomes an image, an archive of one, or a folder for `docker build`.

mod wish;

use std::{path::PathBuf, time::Instant};

use clap::Args;
use serde::Serialize;
use wharf_model::recognise::Model;
use wharf_ops::{
    build::{
        make::{self, Made, PlannedPart, Workshop},
        output::Output,
    },
    error::Result,
};
use wharf_spec::quantity::ByteSize;

use super::{Session, model_events};
use crate::output::{
    report::seconds,
    style::Paint,
    table::{Align, Table},
};
use wish::Wish;

/// Make an image of a model, an archive of one, or a folder for `docker build`; the same again builds nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf build examples/iris -t ml/iris:1\n  \
                        wharf build examples/iris --to oci-archive:iris.tar --to context:iris-context\n  \
                        wharf build model.ubj -f builder.mlem --set args.platform=linux/amd64 --dry-run")]
pub(crate) struct BuildArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
    /// A name of the image; may be given more than once [default: wharf/MODEL:KEY]
    #[arg(short, long, value_name = "REF")]
    tag: Vec<String>,
    /// `engine`, `context:PATH`, `docker-archive:PATH`, `oci-dir:PATH` or `oci-archive:PATH`; may be given more than once [default: engine]
    #[arg(long, value_name = "OUT")]
    to: Vec<String>,
    /// The base image of models that run Python [default: python:VERSION-slim]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// What the image runs on [default: what this machine is]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Replace other images of these names, and whatever lies at the paths of `--to`
    #[arg(long)]
    force: bool,
    /// Show what the image would be made of, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// A builder's declaration, as MLEM has them
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change a value of the declaration: `args.run_cmd=null`, `image.tag=2`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

#[derive(Serialize)]
struct BuildDocument<'a> {
    schema: &'static str,
    name: &'a str,
    model_hash: String,
    dry_run: bool,
    /// Of a dry run.
    parts: Vec<PartDocument<'a>>,
    results: Vec<ResultDocument<'a>>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct PartDocument<'a> {
    title: &'a str,
    key: String,
    size: Option<u64>,
    unchanged: Option<bool>,
}

#[derive(Serialize)]
struct ResultDocument<'a> {
    to: &'static str,
    path: Option<String>,
    references: Vec<String>,
    /// What the image is called by where it went: the engine's id, or the digest of its config or manifest.
    digest: Option<&'a str>,
    size: u64,
    reused: bool,
}

pub(crate) async fn run(session: &mut Session<'_>, args: BuildArgs) -> Result<u8> {
    let start = Instant::now();
    let model = session.recognise(&args.target).await?;
    let wish = Wish::read(&args, session, &model)?;
    let reporter = session.reporter();
    for event in model_events(&model) {
        reporter.report(event);
    }
    let (parts, results) = work(session, &args, &model, wish).await?;
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        session.console.json(&BuildDocument {
            schema: "wharf.build/v1",
            name: model.card.name.as_str(),
            model_hash: model.card.hash().to_string(),
            dry_run: args.dry_run,
            parts: parts.iter().map(part_document).collect(),
            results: results.iter().map(result_document).collect(),
            duration_ms: took,
        });
    } else if args.dry_run {
        table(&parts).lines().iter().for_each(|line| session.console.out(line));
    } else {
        results.iter().for_each(|made| print(session, made, took));
    }
    Ok(0)
}

/// Plans or makes what is wished.
async fn work(
    session: &Session<'_>,
    args: &BuildArgs,
    model: &Model,
    wish: Wish,
) -> Result<(Vec<PlannedPart>, Vec<Made>)> {
    let install =
        if model.card.runtime.is_native() { None } else { Some(session.config.install()?) };
    let python_of_machine = install.as_ref().and_then(|install| install.python_version.clone());
    let needs_engine = wish.request.outputs.contains(&Output::Engine);
    let mut context = None;
    if needs_engine {
        let mut found = session.context_at(wish.engine).await?;
        found.install = install.unwrap_or_default();
        context = Some(found);
    }
    // A dry run leaves nothing behind, an empty store neither.
    let store = if needs_engine && !args.dry_run {
        Some(session.config.store(&model.folder)?)
    } else {
        None
    };
    let workshop = Workshop {
        helpers: &session.config.helpers,
        python_of_machine: python_of_machine.as_deref(),
        engine: context.as_ref(),
        store: store.as_ref(),
        cancel: &session.cancel,
    };
    if args.dry_run {
        return Ok((make::plan(&workshop, model, &wish.request).await?, Vec::new()));
    }
    Ok((Vec::new(), make::make(&workshop, model, &wish.request).await?))
}

fn part_document(planned: &PlannedPart) -> PartDocument<'_> {
    PartDocument {
        title: &planned.part.title,
        key: planned.part.key.to_string(),
        size: planned.part.size,
        unchanged: planned.is_unchanged,
    }
}

fn result_document(made: &Made) -> ResultDocument<'_> {
    match made {
        Made::Image(built) => ResultDocument {
            to: Output::Engine.form(),
            path: None,
            references: vec![built.reference.to_string()],
            digest: Some(&built.facts.id),
            size: built.facts.size,
            reused: built.reused,
        },
        Made::Target { output, references, digest, size } => ResultDocument {
            to: output.form(),
            path: output.path().map(|path| path.display().to_string()),
            references: references.iter().map(ToString::to_string).collect(),
            digest: digest.as_deref(),
            size: *size,
            reused: false,
        },
    }
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

fn print(session: &Session<'_>, made: &Made, took: u64) {
    let console = &session.console;
    let document = result_document(made);
    let what = document.path.unwrap_or_else(|| document.references.join(" "));
    let what = crate::output::text::line(&what);
    if session.config.quiet {
        console.out(&what);
        return;
    }
    let how = if document.reused { "nothing to build".to_owned() } else { seconds(took) };
    let mark = console.style.on_out(Paint::Good, "✓");
    let shown = console.style.on_out(Paint::Strong, &what);
    let digest =
        document.digest.map(|digest| digest.get(..19).unwrap_or(digest)).unwrap_or_default();
    let line =
        format!("{mark} {}  {shown}  {}  {digest}  {how}", document.to, ByteSize(document.size));
    console.out(&line.replace("    ", "  "));
}
