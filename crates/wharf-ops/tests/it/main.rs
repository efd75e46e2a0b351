//! Operations from outside. What needs a command line lies in package `wharf`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod store;

mod python;
