//! Errors → text, JSON and exit codes: printed once, at the end.

use std::any::Any;

use serde::Serialize;
use wharf_ops::error::Error;
use wharf_spec::{
    codes,
    error::{Explain, Kind, causes},
};

use crate::output::{Console, style::Paint, text};

/// An error in machine output.
#[derive(Serialize)]
struct ErrorDocument {
    schema: &'static str,
    code: String,
    kind: &'static str,
    message: String,
    cause: Vec<String>,
    hints: Vec<String>,
    exit: u8,
}

/// Prints an error and returns its exit code.
pub(crate) fn print(error: &dyn Explain, console: &Console, json: bool) -> u8 {
    let kind = error.code().kind();
    let exit = kind.exit_code();
    if json {
        let document = ErrorDocument {
            schema: "wharf.error/v1",
            code: error.code().to_string(),
            kind: kind.word(),
            message: error.to_string(),
            cause: causes(error),
            hints: error.hints(),
            exit,
        };
        console.err(&serde_json::to_string(&document).expect("plain data"));
        return exit;
    }
    let head = console.style.on_err(Paint::Bad, &format!("error[{}]", error.code()));
    console.err(&format!("{head}: {}", text::line(&error.to_string())));
    for cause in causes(error) {
        console.err(&format!("  cause: {}", text::line(&cause)));
    }
    for line in error.excerpt().iter().flat_map(|excerpt| excerpt.lines()) {
        console.err(&text::line(line));
    }
    let hints = error.hints();
    if !hints.is_empty() {
        console.err("");
    }
    for hint in hints {
        let word = console.style.on_err(Paint::Good, "hint");
        console.err(&format!("{word}: {}", text::line(&hint)));
    }
    exit
}

/// Prints a fault of our own and returns its exit code.
pub(crate) fn print_bug(panic: &(dyn Any + Send), console: &Console) -> u8 {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said =
        said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
    let report =
        format!("please report it, with these lines, at {}/issues", env!("CARGO_PKG_REPOSITORY"));
    let action = format!("wharf {} has a bug", env!("CARGO_PKG_VERSION"));
    print(&Error::new(codes::BUG, action).because(said.to_owned()).hint(report), console, false)
}

/// Prints what clap says: help and version as they are, a mistake in our own form.
pub(crate) fn print_usage(error: &clap::Error, console: &Console, json: bool) -> u8 {
    use clap::error::ErrorKind;
    let rendered = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            console.out(rendered.trim_end());
            return 0;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            console.err(rendered.trim_end());
            return Kind::Usage.exit_code();
        }
        _ => {}
    }
    let mut lines = rendered.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let mut own = Error::new(codes::FLAGS, first.trim_start_matches("error: "));
    let mut arguments = Vec::new();
    for line in lines {
        if let Some(tip) = line.trim().strip_prefix("tip: ") {
            own = own.hint(tip.replace('\'', "`"));
        } else if let Some(usage) = line.trim().strip_prefix("Usage: ") {
            own = own.hint(format!("`{usage}`"));
        } else if !line.starts_with("For more information") {
            arguments.push(line.to_owned());
        }
    }
    if !arguments.is_empty() {
        own = own.with_excerpt(arguments.join("\n"));
    }
    print(&own, console, json)
}
