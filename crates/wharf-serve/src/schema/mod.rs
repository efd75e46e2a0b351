//! A method's signature at the edge: what a body must be, what it becomes, and how an answer is written.
//!
//! - [`body`]: a request's body → the inputs of a call; [`flat`] is its fast path for one array of numbers;
//! - [`scalar`], [`mod@array`], [`frame`], [`value`]: checking by data type, in MLEM's words;
//! - [`wrong`]: what a wrong input is told;
//! - [`answer`]: an answer → JSON;
//! - [`json_schema`], [`sample`]: the signature for documents and forms.

pub(crate) mod body;

pub(crate) mod wrong;

pub(crate) mod scalar;

pub(crate) mod array;

mod flat;

mod frame;

pub(crate) mod value;

pub(crate) mod answer;

pub(crate) mod json_schema;

pub(crate) mod sample;
