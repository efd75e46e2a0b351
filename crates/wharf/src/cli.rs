//! The tree of commands. The doc comment of each is its help; what it does stands in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    build, down, explain, image, inspect, lock, login, logout, logs, open, predict, ps, pull, push,
    serve, status, up, wait,
};

const HELP: &str = "\
{before-help}{about}

{usage-heading} {usage}

Start:
  inspect   What a model is: kind, inputs and outputs, requirements, size, hash, risks
  serve     Serve a model here, in the foreground, without a container
  predict   Make a prediction, or one for each row of a table
Images:
  lock      Lock a model's Python packages, with their hashes
  build     Make an image, an archive of one, or a folder for `docker build`
  push      Push a model's image, or one of a file or the engine, to a registry
  pull      Fetch an image from a registry: into the engine, or a file
  image     Images of a registry: ls, show, copy, tag, rm, explain, sign, verify
  login     Check a password with a registry, and keep it
  logout    Forget the password of a registry
Run:
  up        Build, run and wait until healthy; the same again changes nothing
  down      End a service and remove everything made for it
  wait      Wait until a service is healthy, or has ended
Look:
  ps        What runs
  status    One service in full: state and reason, image, ports, last lines
  logs      What a service wrote
  open      The page of a service in the browser
Set up:
  explain   The page of an error: `wharf explain W0203`
Options:
{options}{after-help}";

/// From a trained model to a running service, on Docker.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, propagate_version = true, help_template = HELP)]
#[command(
    after_help = "Examples:\n  wharf up examples/iris\n  wharf logs iris -f\n  wharf down iris"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The project [env: WHARF_PROJECT] [default: default]
    #[arg(short = 'P', long, global = true, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Run as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Print one JSON document (streams: one a line)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Show what tools print while they work
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to use colours [env: WHARF_COLOR]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// The everyday verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::InspectArgs),
    Serve(serve::ServeArgs),
    Predict(predict::PredictArgs),
    Lock(lock::LockArgs),
    Build(build::BuildArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Image(image::ImageArgs),
    Login(login::LoginArgs),
    Logout(logout::LogoutArgs),
    #[command(alias = "deploy", alias = "apply")]
    Up(up::UpArgs),
    Down(down::DownArgs),
    Wait(wait::WaitArgs),
    Ps(ps::PsArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Open(open::OpenArgs),
    Explain(explain::ExplainArgs),
}
