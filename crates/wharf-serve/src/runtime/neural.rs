//! Neural networks in ONNX. Only the program that lists it links the library behind it.

use std::sync::Arc;

use wharf_model::neural::Net;
use wharf_spec::model::{Method, RuntimeKind};

use super::{
    Bundle, CallError, LoadError, Loaded, Native, Payload, Runtime, RuntimeSettings, graph::Graph,
    trees,
};

/// The runtime for neural networks.
#[derive(Debug, Clone, Copy)]
pub struct Neural;

impl Runtime for Neural {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Neural
    }

    fn load(&self, bundle: &Bundle, _: &RuntimeSettings) -> Result<Loaded, LoadError> {
        let bytes = trees::read_entry(bundle)?;
        let net = Net::load(bytes, &bundle.folder)
            .map_err(|error| LoadError(format!("`{}`: {error}", bundle.card.entry)))?;
        let graph = Graph::new(net.facts(), &bundle.card);
        Ok(Loaded::Native(Arc::new(NeuralModel { net, graph })))
    }
}

#[derive(Debug)]
struct NeuralModel {
    net: Net,
    graph: Graph,
}

impl Native for NeuralModel {
    fn call(&self, method: &Method, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError> {
        self.graph.answer(method, inputs, |tensors| self.net.run(tensors))
    }
}
