//! The HTTP client of wharf: the one place that opens connections to servers other than an engine.
//!
//! It follows no redirect by itself and reads no answer without a limit: whoever asks decides where to go on, and how
//! much to read.
//!
//! - [`address`]: where to ask, and which addresses are of one origin;
//! - [`client`]: requests, answers, and the roots and proxy that they are made with;
//! - [`error`]: why there is no answer; [`retry`]: when to ask again; `public`: hosts that only others have named.

pub mod address;

pub mod client;

pub mod error;

pub mod retry;

mod tls;

mod public;
