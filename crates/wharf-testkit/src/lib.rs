//! What tests of several crates share: small HTTP requests, a browser, and cleaning up.

pub mod http;

pub mod browser;
