//! The command line from outside: on an engine in memory, on the real one, and in a real browser.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

mod hermetic;

mod stub;

mod cli;

mod codes;

mod build;

mod builders;

mod buildkit;

mod known_files;

mod partial_load;

mod docker_dir;

mod deploy;

mod look;

mod weights;

mod app;

mod store;

mod python_build;

mod python_lock;

mod python_native;

mod base_of_engine;

mod secrets;

mod stories;

mod bad_days;

mod full_disk;

mod at_once;

mod serve;

mod predict;

mod registry;

mod supply;

mod images;

mod image_facts;

mod browser;
