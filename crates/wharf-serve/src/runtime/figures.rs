//! What workers and waiting calls say of themselves, for `/metrics`.

use crate::metrics::histogram::Times;

/// The workers of a model at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFigures {
    /// The process of each worker that is ready, by the worker's number.
    pub(crate) workers: Vec<Option<u32>>,
    /// How often workers ended or did not start, by the reason.
    pub(crate) restarts: Vec<(&'static str, u64)>,
    pub(crate) queue: QueueFigures,
}

/// Calls that wait for a core or for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueFigures {
    pub(crate) calls: usize,
    pub(crate) bytes: usize,
    /// How long those waited that wait no more.
    pub(crate) waited: Times,
}
