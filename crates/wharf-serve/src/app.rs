//! What the routes share: the model's card, its methods made ready, and how it is.

use std::sync::{Arc, OnceLock};

use wharf_spec::model::{Method, ModelCard, RuntimeKind};

use crate::{
    gate::Gate, guard::AllowedHosts, log::Log, metrics::Metrics, readiness::Readiness,
    request_id::RequestIds, routes::route, schema::body::BodyReader, v2::signature::Signature,
};

/// One model and its server.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) card: Arc<ModelCard>,
    /// In the order of the card.
    pub(crate) readers: Vec<BodyReader>,
    /// The path of each, in the same order.
    pub(crate) paths: Vec<String>,
    pub(crate) readiness: Readiness,
    pub(crate) hosts: AllowedHosts,
    pub(crate) ids: RequestIds,
    pub(crate) log: Log,
    pub(crate) metrics: Metrics,
    /// Where long native calls wait.
    pub(crate) gate: Gate,
    /// Made when it is first asked for: most servers are never spoken to in that protocol.
    signature: OnceLock<Signature>,
}

impl App {
    pub(crate) fn new(card: Arc<ModelCard>, hosts: AllowedHosts, log: Log, cores: usize) -> Self {
        Self {
            readers: card.methods.iter().map(BodyReader::new).collect(),
            paths: card.methods.iter().map(|method| format!("/{}", method.name)).collect(),
            metrics: Metrics::new(route::count(card.methods.len())),
            card,
            readiness: Readiness::default(),
            hosts,
            ids: RequestIds::new(),
            log,
            gate: Gate::new(cores),
            signature: OnceLock::new(),
        }
    }

    /// Returns a method by its place in the card.
    pub(crate) fn method(&self, index: usize) -> &Method {
        &self.card.methods[index]
    }

    /// Returns the methods as one model of the Open Inference Protocol.
    pub(crate) fn signature(&self) -> &Signature {
        self.signature.get_or_init(|| Signature::new(&self.card))
    }

    /// Says whether a call of so many rows may take long enough to be in the way of others.
    pub(crate) fn is_long(&self, rows: usize) -> bool {
        /// A forest of some hundred trees takes about 50 µs for so many rows.
        const SHORT_ROWS: usize = 64;
        rows > SHORT_ROWS || self.card.runtime == RuntimeKind::Neural
    }
}
