//! Classic models in ONNX, by our own interpreter.

use std::sync::Arc;

use wharf_model::onnx::Interpreter;
use wharf_spec::model::{Method, RuntimeKind};

use super::{
    Bundle, CallError, LoadError, Loaded, Native, Payload, Runtime, RuntimeSettings, graph::Graph,
    trees,
};

/// Our interpreter of `ai.onnx.ml`.
#[derive(Debug, Clone, Copy)]
pub struct OnnxMl;

impl Runtime for OnnxMl {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::OnnxMl
    }

    fn load(&self, bundle: &Bundle, _: &RuntimeSettings) -> Result<Loaded, LoadError> {
        let bytes = trees::read_entry(bundle)?;
        let interpreter = Interpreter::load(&bytes, &bundle.folder)
            .map_err(|error| LoadError(format!("`{}`: {error}", bundle.card.entry)))?;
        let graph = Graph::new(interpreter.facts(), &bundle.card);
        Ok(Loaded::Native(Arc::new(OnnxModel { interpreter, graph })))
    }
}

#[derive(Debug)]
struct OnnxModel {
    interpreter: Interpreter,
    graph: Graph,
}

impl Native for OnnxModel {
    fn call(&self, method: &Method, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError> {
        self.graph.answer(method, inputs, |tensors| self.interpreter.run(tensors))
    }
}
