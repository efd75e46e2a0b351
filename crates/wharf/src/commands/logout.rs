//! `wharf logout`: forgets the credentials of a registry.

use clap::Args;
use serde::Serialize;
use wharf_oci::registry::error::RegistryError;
use wharf_ops::error::{Error, Result};

use super::{Session, registry::host};

/// Forget the credentials of a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf logout localhost:5000")]
pub(crate) struct LogoutArgs {
    /// The registry: `HOST` or `HOST:PORT`
    host: String,
}

#[derive(Serialize)]
struct LogoutDocument<'a> {
    schema: &'static str,
    host: &'a str,
    changed: bool,
}

pub(crate) async fn run(session: &mut Session<'_>, args: LogoutArgs) -> Result<u8> {
    let host = host(&args.host)?;
    let changed = session.config.keychain().forget(&host).await.map_err(|error| {
        let action = format!("could not forget the credentials of `{host}`");
        Error::wrap(action, RegistryError::Keychain(error))
    })?;
    if session.config.json {
        let document = LogoutDocument { schema: "wharf.logout/v1", host: host.as_str(), changed };
        session.console.json(&document);
    } else if !session.config.quiet {
        let said = if changed { "logged out of" } else { "nobody was logged in at" };
        session.console.out(&format!("{said} {host}"));
    }
    Ok(0)
}
