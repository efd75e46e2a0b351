//! What wharf does: operations that build, deploy, list and remove, and report events while they work.
//!
//! Nothing here prints, reads the environment, or asks the system for the time: engine, clock, reporter and the
//! server programs are parts of the [`Context`](context::Context) that the caller gives.
//!
//! - [`context`]: what an operation works with; [`error`]: why it failed; [`cache`]: what is known of files;
//! - [`store`]: what should run, and its history;
//! - [`python`]: requirements → a lock, wheels, an environment;
//! - [`build`]: a model → an image; [`app`]: a folder with a `Dockerfile` → an image; [`deploy`]: an image → a running, healthy service;
//! - [`images`]: images of others, moved, listed and removed;
//! - [`push`]: an image → a registry; [`supply`]: what goes there with it, and who vouches for it; [`explain`]: its layers;
//! - [`service`]: what runs, its logs, its end; [`predict`]: what it answers, one call or a whole table.

pub mod context;

pub mod error;

pub mod cache;

pub mod store;

pub mod python;

pub mod build;

pub mod app;

pub mod deploy;

pub mod push;

pub mod images;

pub mod supply;

pub mod explain;

pub mod service;

pub mod predict;
