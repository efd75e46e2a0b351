//! `wharf down`: ends services.

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    error::Result,
    service::{self, DownOptions},
};

use super::{Session, service_name};

/// End services and remove everything made for them; images and volumes stay
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf down iris\n  wharf down iris --image    # its image, too"
)]
pub(crate) struct DownArgs {
    /// Names of services, from any folder
    #[arg(required = true)]
    names: Vec<String>,
    /// Also remove the images that they were run from
    #[arg(long)]
    image: bool,
}

#[derive(Serialize)]
struct DownDocument<'a> {
    schema: &'static str,
    removed: &'a [String],
}

pub(crate) async fn run(session: &mut Session<'_>, args: DownArgs) -> Result<u8> {
    let names = args.names.iter().map(|name| service_name(name)).collect::<Result<Vec<_>, _>>()?;
    let context = session.context().await?;
    let mut removed = Vec::new();
    for name in &names {
        if service::down(&context, name, DownOptions { image: args.image }).await? {
            removed.push(name.to_string());
            if !session.config.json && !session.config.quiet {
                session.console.out(&format!("{name} is down"));
            }
        }
    }
    if session.config.json {
        session.console.json(&DownDocument { schema: "wharf.down/v1", removed: &removed });
    }
    Ok(0)
}
