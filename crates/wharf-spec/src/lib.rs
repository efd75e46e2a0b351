//! The words of wharf: names, objects and files, pure and without I/O.
//!
//! Nothing here opens a file, waits, or asks for the time; everything else may use it. Read in this order:
//!
//! - [`error`], [`codes`]: what every error can say, and the table of codes;
//! - [`name`], [`mod@reference`], [`digest`], [`quantity`], [`secret`]: small values, parsed once at the edge;
//!   [`stamp`]: the state of a file;
//! - [`mod@tagged`], [`yaml`]: objects that say what they are, and the files people write;
//! - [`object`], [`builder`], [`build_args`], [`registry`], [`mod@env`], [`server`]: MLEM's declarations, and their small
//!   values [`version`] and [`platform`]; [`assign`]: `--set PATH=VALUE`;
//! - [`data_type`], [`mlem`], [`project_file`], [`model`]: what a model is and how it is described; [`mounted`]: what of it an image does not hold;
//! - [`dockerignore`]: what a build's context leaves out;
//! - [`workload`], [`status`], [`label`], [`seal`]: what an engine is asked to run, and how it is known again;
//! - [`event`]: what operations report.

pub mod error;

pub mod codes;

pub mod name;

pub mod reference;

pub mod digest;

pub mod quantity;

pub mod stamp;

pub mod secret;

pub mod tagged;

pub mod yaml;

pub mod object;

pub mod builder;

pub mod build_args;

pub mod registry;

pub mod env;

pub mod server;

pub mod version;

pub mod platform;

pub mod assign;

pub mod data_type;

pub mod mlem;

pub mod project_file;

pub mod model;

pub mod mounted;

pub mod dockerignore;

pub mod workload;

pub mod status;

pub mod label;

pub mod seal;

pub mod event;
