//! The model server of most images: trees, classic ONNX, and Python workers.

use std::process::ExitCode;

use wharf_serve::runtime::{onnx_ml::OnnxMl, python::Python, trees::Trees};

fn main() -> ExitCode {
    wharf_serve::run(&[&Trees, &OnnxMl, &Python])
}
