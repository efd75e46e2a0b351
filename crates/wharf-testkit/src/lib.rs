//! What tests of several crates share: small HTTP requests, a browser, an index of packages, TLS, and a proxy.

pub mod http;

pub mod browser;

pub mod packages;

pub mod tls;

pub mod proxy;
