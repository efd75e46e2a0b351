//! The command line of wharf: arguments → context → command → exit code.
//!
//! - [`cli`]: the tree of commands; [`commands`]: one file for each; [`mlem`]: MLEM's verbs, said in ours;
//! - [`config`]: the only reader of environment and home directories; [`env_vars`]: every variable, documented;
//! - [`output`]: events and values → text; [`error`]: errors → text and exit codes.

mod cli;

mod mlem;

mod commands;

mod config;

mod env_vars;

mod error;

mod output;

use std::{
    ffi::OsString,
    panic::AssertUnwindSafe,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use clap::Parser as _;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use wharf_engine::Engine;
use wharf_ops::error::Result;
use wharf_spec::error::Kind;

use crate::{
    cli::{Cli, Command},
    commands::Session,
    config::{Config, Env},
    output::{Console, Style},
};
pub use crate::{config::Env as Environment, output::Console as Terminal};

/// Everything that a run of `wharf` gets from outside; tests give their own.
#[derive(Debug)]
pub struct Invocation {
    /// With the program's name in front.
    pub args: Vec<OsString>,
    pub env: Env,
    pub console: Console,
    pub folder: PathBuf,
    /// Where the program itself lies.
    pub program: PathBuf,
    /// An engine to use in place of the one that would be found.
    pub engine: Option<Arc<dyn Engine>>,
    /// Set from outside to end the command, as ^C does.
    pub cancel: CancellationToken,
}

/// Runs with the process's own arguments, environment and streams.
pub fn main() -> ExitCode {
    let cancel = CancellationToken::new();
    let invocation = Invocation {
        args: std::env::args_os().collect(),
        env: Env::of_process(),
        console: Console::of_process(),
        folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("wharf")),
        engine: None,
        cancel: cancel.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system gives two threads");
    let told = OnceLock::new();
    let code = runtime.block_on(async {
        tokio::select! {
            code = run(invocation) => code,
            code = output::signals::second(cancel, &told) => code,
        }
    });
    runtime.shutdown_background();
    // A command knows that it was cancelled, not by which signal.
    let cancelled = code == Kind::Cancelled.exit_code();
    ExitCode::from(told.get().copied().filter(|_| cancelled).unwrap_or(code))
}

/// Runs one command and returns its exit code; a panic is a bug of ours, and told as such.
pub async fn run(invocation: Invocation) -> u8 {
    let console = invocation.console.clone();
    match AssertUnwindSafe(run_command(invocation)).catch_unwind().await {
        Ok(code) => code,
        Err(panic) => error::print_bug(panic.as_ref(), &console),
    }
}

async fn run_command(invocation: Invocation) -> u8 {
    let Invocation { args, env, mut console, folder, program, engine, cancel } = invocation;
    let json = args.iter().any(|arg| arg == "--json");
    let args = match mlem::translate(args) {
        Ok(args) => args,
        Err(error) => return error::print(&error, &console, json),
    };
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return error::print_usage(&error, &console, json),
    };
    console.style = Style::choose(cli.global.color, &env, &console);
    let result = async {
        let config = Config::read(&env, &folder, &program, &cli.global)?;
        let mut session = Session { config, console: &mut console, engine, cancel };
        dispatch(&mut session, cli).await
    }
    .await;
    match result {
        Ok(code) => code,
        Err(error) => error::print(&error, &console, json),
    }
}

async fn dispatch(session: &mut Session<'_>, cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Inspect(args) => commands::inspect::run(session, args).await,
        Command::Serve(args) => commands::serve::run(session, args).await,
        Command::Predict(args) => commands::predict::run(session, args).await,
        Command::Lock(args) => commands::lock::run(session, args).await,
        Command::Build(args) => commands::build::run(session, args).await,
        Command::Up(args) => commands::up::run(session, args).await,
        Command::Down(args) => commands::down::run(session, args).await,
        Command::Wait(args) => commands::wait::run(session, args).await,
        Command::Ps(args) => commands::ps::run(session, args).await,
        Command::Status(args) => commands::status::run(session, args).await,
        Command::Logs(args) => commands::logs::run(session, args).await,
        Command::Open(args) => commands::open::run(session, args).await,
        Command::Push(args) => commands::push::run(session, args).await,
        Command::Pull(args) => commands::pull::run(session, args).await,
        Command::Image(args) => commands::image::run(session, args).await,
        Command::Login(args) => commands::login::run(session, args).await,
        Command::Logout(args) => commands::logout::run(session, args).await,
        Command::Explain(args) => commands::explain::run(session, &args),
    }
}
