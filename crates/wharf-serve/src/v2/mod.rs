//! The Open Inference Protocol, version 2: a model as named tensors that go in and come out.
//!
//! - [`signature`]: the methods of a card as the inputs and outputs of one model;
//! - [`request`]: a body → tensors and what is wanted; [`leaves`] reads them as JSON, [`tensor`] as bytes;
//! - [`arguments`]: tensors → the inputs of a call, lossless;
//! - [`answer`]: answers → tensors → a body; [`classes`]: the best classes in place of scores;
//! - [`metadata`]: what a client is told of the model;
//! - [`datatype`]: the names of element types.

pub(crate) mod signature;

pub(crate) mod request;

mod leaves;

mod tensor;

mod arguments;

pub(crate) mod answer;

mod classes;

pub(crate) mod metadata;

mod datatype;
