//! Models: recognised, described, and evaluated without Python where that is possible. No HTTP here.
//!
//! - [`recognise`](recognise::recognise): a path → a [`ModelCard`](wharf_spec::model::ModelCard) and the files of its bundle;
//!   [`known`]: what was learned of the files before;
//! - [`tree`]: gradient-boosted trees, bit for bit;
//! - [`onnx`]: reading ONNX, and our interpreter of `ai.onnx.ml`; [`neural`]: `rten`;
//! - [`tensor`]: what goes in and out; [`error`]: what can be wrong.

pub mod error;

pub mod tensor;

pub mod recognise;

pub mod known;

pub mod kind;

pub mod pickle;

pub mod tree;

pub mod onnx;

pub mod neural;
