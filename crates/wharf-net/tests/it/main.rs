//! The HTTP client between real sockets: behind proxies, and with certificates of an authority of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod proxies;
