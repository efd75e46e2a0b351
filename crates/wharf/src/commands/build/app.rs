//! `wharf build` of a folder with a `Dockerfile`: the engine builds it, and keeps the image.

use wharf_ops::{
    app,
    build::make::Made,
    error::{Error, Result},
};
use wharf_spec::codes;

use super::{BuildArgs, Work, document::ResultDocument, wish::tag};
use crate::commands::{
    Session,
    path::{App, OWN_BASE, refused},
};

pub(super) async fn build(session: &Session<'_>, args: &BuildArgs, app: App) -> Result<Work> {
    refuse(args)?;
    let App { name, folder, mut options } = app;
    options.reference = args.tag.first().map(|text| tag(text)).transpose()?;
    options.way = args.way.read()?;
    let context = session.context_at(None, args.way.engine()).await?;
    let built = app::build(&context, &folder, &options).await?;
    let results = vec![ResultDocument::of(&Made::Image(Box::new(built)))];
    Ok(Work { name: name.to_string(), model_hash: None, parts: Vec::new(), results })
}

/// Refuses by name what is for models.
fn refuse(args: &BuildArgs) -> Result<()> {
    if args.push {
        let action = "`--push` sends models: a Dockerfile's image is in its engine";
        return Err(Error::new(codes::NEEDS_ENGINE, action).hint(
            "build it without, and push it from there: `wharf push IMAGE --to HOST/REPOSITORY:TAG`",
        ));
    }
    if args.tag.len() > 1 {
        let action = "a second `--tag` cannot be honoured: a Dockerfile's image gets one name";
        return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
            .hint("give the others with the engine's own command: `docker tag IMAGE NAME`"));
    }
    let declared = "a Dockerfile says itself how it is built";
    let flags = [
        ("--to", args.to.iter().any(|to| to != "engine"), "the engine builds it, and keeps it"),
        ("--base", args.base.is_some(), OWN_BASE),
        ("--platform", args.platform.is_some(), "it is built for what the engine runs on"),
        ("--file", args.file.is_some(), declared),
        ("--declared-image", args.declared_image.is_some(), declared),
        ("--set", !args.set.is_empty(), declared),
        ("--dry-run", args.dry_run, "only the engine knows what its steps make"),
    ];
    let given = flags.into_iter().find(|(_, is_given, _)| *is_given);
    let given = given.map(|(flag, _, why)| (flag, why));
    match given.or(args.registry.given().map(|flag| (flag, "nothing is pushed"))) {
        Some((flag, why)) => Err(refused(flag, why)),
        None => Ok(()),
    }
}
