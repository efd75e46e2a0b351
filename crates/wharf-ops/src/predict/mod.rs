//! Predictions of a model server: one call, or a whole table.
//!
//! - [`server`]: the server that is asked, and asked again where that is safe;
//! - [`table`]: a table in batches, a few of them on their way at once.
//!
//! A table goes through: `signature` (what the model takes) and `rows` (a file → batches, by way of `cell`) → `infer`
//! (a batch → a request of the Open Inference Protocol, and its answer) → `answers` (answers → lines).

pub mod server;

pub mod table;

mod signature;

mod rows;

mod cell;

mod infer;

mod answers;
