//! Chores of the project: `cargo xtask gen` makes generated files anew, `cargo xtask bench` measures.

mod bench;

mod images;

mod wheels;

mod generate;

use std::{env, path::PathBuf, process::ExitCode};

const USAGE: &str = "usage: cargo xtask gen | bench [images]\n\
    gen           writes docs/reference/ and schemas/ anew\n\
    bench         prints ours divided by the floor, both measured in the same run (builds release programs first)\n\
    bench images  the same for images with 1 GiB of weights; needs Docker and `docker-registry`, and some minutes";

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people who work on wharf"
)]
fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["gen"] => generate::write_all(&root()),
        ["bench"] => bench::run(&root()).map(|report| println!("{report}")),
        ["bench", "images"] => images::run(&root()).map(|report| println!("{report}")),
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
