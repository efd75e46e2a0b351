//! Noise for every reader of what others send: what a target does with one input.
//!
//! An input may be refused; it may not panic, hang, or be read back as something else. This crate's test goes through
//! the kept inputs (`corpus/TARGET`).
//!
//! - [`words`]: names and text files; [`images`]: manifests, archives, layouts; [`packages`]: what Python's world
//!   sends; [`models`]: files of models.

pub mod words;

pub mod images;

pub mod packages;

pub mod models;

/// A target by its name, which is also that of its folder of inputs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("reference", words::reference),
    ("digest", words::digest),
    ("dockerignore", words::dockerignore),
    ("project_file", words::project_file),
    ("mlem_file", words::mlem_file),
    ("challenge", images::challenge),
    ("keychain", images::keychain),
    ("manifest", images::manifest),
    ("config", images::config),
    ("layout_index", images::layout_index),
    ("layout_archive", images::layout_archive),
    ("docker_archive", images::docker_archive),
    ("wheel", packages::wheel),
    ("wheel_name", packages::wheel_name),
    ("marker", packages::marker),
    ("lock", packages::lock),
    ("index_page", packages::index_page),
    ("pickle", models::pickle),
    ("onnx", models::onnx),
    ("xgboost", models::xgboost),
    ("lightgbm", models::lightgbm),
    ("catboost", models::catboost),
];

/// Returns the input as text; targets for text pass over what is none.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
