//! The model server of images with neural networks: what `wharf-serve` has, and their runtime.

use std::process::ExitCode;

use wharf_serve::runtime::{neural::Neural, onnx_ml::OnnxMl, python::Python, trees::Trees};

fn main() -> ExitCode {
    wharf_serve::run(&[&Trees, &OnnxMl, &Neural, &Python])
}
