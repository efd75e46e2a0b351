//! Scratch.
use std::process::ExitCode;
use wharf_serve::runtime::{neural::Neural, onnx_ml::OnnxMl, python::Python, trees::Trees};
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == "bundle") {
        let m = wharf_model::recognise::recognise(std::path::Path::new(&args[2])).expect("model");
        m.write_bundle(std::path::Path::new(&args[3])).expect("bundle");
        return ExitCode::SUCCESS;
    }
    wharf_serve::run(&[&Trees, &OnnxMl, &Neural, &Python])
}
