//! The command line from outside: on an engine in memory, on the real one, and in a real browser.

mod support;

mod stub;

mod cli;

mod codes;

mod deploy;

mod store;

mod python_build;

mod stories;

mod bad_days;

mod browser;
