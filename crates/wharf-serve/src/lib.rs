//! The model server: HTTP API, page, Python workers and health probe around one model.

pub mod runtime;
