//! See `tests/it/browser.rs`.
