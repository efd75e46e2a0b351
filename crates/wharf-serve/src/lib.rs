//! The model server: HTTP API, page, Python workers and health probe around one model.
//!
//! The whole program is [`run`]; a program of package `wharf` hands it the runtimes that it was built with. In the
//! order in which things happen:
//!
//! - [`args`], [`config`]: the command line and the environment;
//! - [`serve`]: bundle → runtime → ready → drained; [`crew`]: on which threads; [`listen`]: connections and
//!   their limits, [`patience`] with silent clients; [`probe`]: asks whether a server is ready;
//! - [`app`], [`readiness`]: what the routes share, and how the model is; [`gate`]: where long calls wait for a core;
//!   [`metrics`]: what is counted;
//! - [`routes`]: from [`guard`] to an answer or a [`problem`]; [`schema`]: the signature of a method at work;
//! - [`v2`]: the same methods as a model of the Open Inference Protocol;
//! - [`page`]: the page to try the model and the page of the API;
//! - [`runtime`]: what answers.

use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
    sync::Arc,
};

use axum::Router;

use wharf_spec::{
    error::{Explain, Report},
    model::ModelCard,
};

use crate::{
    app::App,
    args::{Command, USAGE},
    config::{Config, Environment},
    error::ServeError,
    guard::AllowedHosts,
    log::Log,
    runtime::{Loaded, Runtime},
};

mod args;

mod config;

mod serve;

mod listen;

mod crew;

mod patience;

mod probe;

mod bundle;

mod mounted;

mod app;

mod readiness;

mod gate;

mod metrics;

mod routes;

mod guard;

mod problem;

mod request_id;

mod log;

mod schema;

mod v2;

mod interface;

mod openapi;

mod page;

pub mod runtime;

mod error;

/// Runs the program: reads the command line, does it, and says how it ended.
pub fn run(runtimes: &[&dyn Runtime]) -> ExitCode {
    let environment = Environment::of_process();
    match dispatch(runtimes, &environment) {
        Ok(code) => code,
        Err(error) => {
            // Where stderr is closed there is nobody left to tell.
            writeln!(stderr(), "{}", Report(&error)).ok();
            ExitCode::from(error.code().kind().exit_code())
        }
    }
}

fn dispatch(runtimes: &[&dyn Runtime], environment: &Environment) -> Result<ExitCode, ServeError> {
    match args::read(std::env::args().skip(1))? {
        Command::Serve(args) => serve::serve(runtimes, &Config::new(args, environment)?),
        Command::Probe(args) => Ok(probe::probe(&args, environment.port()?)),
        Command::Version => {
            writeln!(stdout(), "wharf-serve {}", env!("CARGO_PKG_VERSION")).ok();
            Ok(ExitCode::SUCCESS)
        }
        Command::Help => {
            stdout().write_all(USAGE.as_bytes()).ok();
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns the routes around a model that is loaded already, with no log: for tests.
pub fn application(card: Arc<ModelCard>, model: Loaded) -> Router {
    const CORES: usize = 2;
    let app = App::new(card, AllowedHosts::default(), Log::silent(), CORES);
    app.readiness.loaded(model);
    app.readiness.warm();
    routes::router(Arc::new(app))
}
