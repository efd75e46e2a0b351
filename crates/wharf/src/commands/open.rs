//! `wharf open`: the page of a service in the browser.

use std::{process::Stdio, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::{process::Command, time};
use wharf_ops::{error::Result, service};
use wharf_spec::event::Event;

use super::{Session, service_name};
use crate::config::browser::Browser;

/// How long a program may take to say that it opens nothing. One that stays is the browser itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Open the page of a service in the browser
///
/// The browser is the one that BROWSER names, or the desktop's own. Where there is none, the address is printed alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf open iris\n  BROWSER=firefox wharf open iris\n  wharf open iris --json"
)]
pub(crate) struct OpenArgs {
    /// The name of a service
    name: String,
}

#[derive(Serialize)]
struct OpenDocument {
    schema: &'static str,
    name: String,
    url: String,
    /// Whether a browser took it.
    opened: bool,
}

pub(crate) async fn run(session: &mut Session<'_>, args: OpenArgs) -> Result<u8> {
    let name = service_name(&args.name)?;
    let context = session.context().await?;
    let url = service::address(&context, &name).await?;
    let opened = is_opened(&session.config.browsers(), &url).await;
    if session.config.json {
        let name = name.to_string();
        session.console.json(&OpenDocument { schema: "wharf.open/v1", name, url, opened });
        return Ok(0);
    }
    session.console.out(&url);
    if !opened {
        let text = "no browser was found here: open this address in one".to_owned();
        session.reporter().report(Event::Note { text });
    }
    Ok(0)
}

/// Tries one after the other until one takes the address.
async fn is_opened(browsers: &[Browser], url: &str) -> bool {
    for browser in browsers {
        let started = Command::new(&browser.program)
            .args(browser.arguments(url))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // ^C in this terminal, now or later, is not meant for it.
            .process_group(0)
            .spawn();
        let Ok(mut started) = started else { continue };
        match time::timeout(PATIENCE, started.wait()).await {
            Ok(Ok(status)) if !status.success() => {}
            _ => return true,
        }
    }
    false
}
