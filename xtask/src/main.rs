//! Chores of the project: `cargo xtask gen` makes generated files anew, `cargo xtask bench` measures.

mod bench;

mod generate;

use std::{env, path::PathBuf, process::ExitCode};

const USAGE: &str = "usage: cargo xtask gen | bench\n\
    gen    writes docs/reference/ and schemas/ anew\n\
    bench  prints ours divided by the floor, both measured in the same run (builds release programs first)";

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people who work on wharf"
)]
fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        Some("gen") => generate::write_all(&root()),
        Some("bench") => bench::run(&root()).map(|report| println!("{report}")),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

#[cfg(test)]
mod edges;
