//! `wharf image …`: images, in a registry or here.

mod ls;

mod here;

mod show;

mod copy;

mod tag;

mod rm;

mod explain;

mod sign;

mod verify;

use clap::{Args, Subcommand};
use wharf_ops::error::Result;

use super::Session;

/// Images of a registry, or of the engine: listed, copied, removed; what they hold, and who signed them
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ls(ls::LsArgs),
    Show(show::ShowArgs),
    Copy(copy::CopyArgs),
    Tag(tag::TagArgs),
    Rm(rm::RmArgs),
    Explain(explain::ExplainArgs),
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
}

pub(crate) async fn run(session: &mut Session<'_>, args: ImageArgs) -> Result<u8> {
    match args.verb {
        Verb::Ls(args) => ls::run(session, args).await,
        Verb::Show(args) => show::run(session, args).await,
        Verb::Copy(args) => copy::run(session, args).await,
        Verb::Tag(args) => tag::run(session, args).await,
        Verb::Rm(args) => rm::run(session, args).await,
        Verb::Explain(args) => explain::run(session, args).await,
        Verb::Sign(args) => sign::run(session, args).await,
        Verb::Verify(args) => verify::run(session, args).await,
    }
}
