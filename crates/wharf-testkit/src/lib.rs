//! What tests of several crates share: small HTTP requests, a browser, an index of packages, and cleaning up.

pub mod http;

pub mod browser;

pub mod packages;
