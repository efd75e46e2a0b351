//! `wharf wait`: until a service is healthy, or has ended.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use wharf_ops::{
    error::{Error, Result},
    service::one::{self, Until},
};
use wharf_spec::{codes, quantity::parse_duration};

use super::{Session, service_name};
use crate::output::report::seconds;

/// Wait until a service is healthy, or has ended; the exit code is 7 when it takes too long, 1 when it ended instead
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf wait iris\n  wharf wait iris --for ended --timeout 10m")]
pub(crate) struct WaitArgs {
    /// The name of a service
    name: String,
    /// What to wait for
    #[arg(long = "for", value_name = "WHAT", default_value = "healthy")]
    until: UntilChoice,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UntilChoice {
    Healthy,
    Ended,
}

#[derive(Serialize)]
struct WaitDocument {
    schema: &'static str,
    name: String,
    /// `healthy` or `ended`.
    reached: &'static str,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: WaitArgs) -> Result<u8> {
    let name = service_name(&args.name)?;
    let patience = patience(&args.timeout)?;
    let (until, reached) = match args.until {
        UntilChoice::Healthy => (Until::Healthy, "healthy"),
        UntilChoice::Ended => (Until::Ended, "ended"),
    };
    let context = session.context().await?;
    let waited = one::wait(&context, &name, until, patience).await?;
    let duration_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        let (schema, name) = ("wharf.wait/v1", name.to_string());
        session.console.json(&WaitDocument { schema, name, reached, duration_ms });
    } else if !session.config.quiet {
        let what = if until == Until::Healthy { "is healthy" } else { "has ended" };
        session.console.out(&format!("{name} {what} after {}", seconds(duration_ms)));
    }
    Ok(0)
}

fn patience(text: &str) -> Result<Duration> {
    parse_duration(text).map_err(|error| {
        Error::new(codes::FLAGS, format!("--timeout: {error}")).hint("write `--timeout 90s`")
    })
}
