//! The one test program of this crate, a module for each area.
#![expect(clippy::unwrap_used, reason = "helpers of tests may unwrap")]

mod answers;

mod tree;

mod frames;

mod catboost;

mod onnx;

mod pickle;

mod recognise;
