//! What wharf does: operations that build, deploy, list and remove, and report events while they work.
//!
//! Nothing here prints, reads the environment, or asks the system for the time: engine, clock, reporter and the
//! server programs are parts of the [`Context`](context::Context) that the caller gives.
//!
//! - [`context`]: what an operation works with; [`error`]: why it failed;
//! - [`store`]: what should run, and its history;
//! - [`build`]: a model → an image; [`app`]: a folder with a `Dockerfile` → an image; [`deploy`]: an image → a running, healthy service;
//! - [`push`]: an image → a registry;
//! - [`service`]: what runs, its logs, its end.

pub mod context;

pub mod error;

pub mod store;

pub mod build;

pub mod app;

pub mod deploy;

pub mod push;

pub mod service;
