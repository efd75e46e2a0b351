//! How the model is: loading, ready, draining, failed. `/readyz` says it, and calls are let in by it.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use crate::runtime::{Loaded, WorkerState};

/// How the model is, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting(&'static str),
    Ready,
    Draining,
    Failed(String),
}

/// How the model is, as it goes on.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    model: OnceLock<Loaded>,
    warm: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Notes the loaded model; calls from outside still have to wait for the warm-up.
    pub(crate) fn loaded(&self, model: Loaded) {
        // A second model is never loaded.
        self.model.set(model).ok();
    }

    /// Notes that the warm-up is done.
    pub(crate) fn warm(&self) {
        self.warm.store(true, Ordering::Release);
    }

    /// Notes that the server is on its way out.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Returns the model once it may be called. While draining it may: those who are connected are served.
    pub(crate) fn model(&self) -> Result<&Loaded, &'static str> {
        match self.model.get() {
            Some(model) if self.warm.load(Ordering::Acquire) => Ok(model),
            Some(_) => Err("the model is warming up"),
            None => Err("the model is loading"),
        }
    }

    /// Returns the model, warm or not.
    pub(crate) fn any_model(&self) -> Option<&Loaded> {
        self.model.get()
    }

    /// Returns how the model is.
    pub(crate) fn phase(&self) -> Phase {
        if self.draining.load(Ordering::Acquire) {
            return Phase::Draining;
        }
        let state = match self.model.get() {
            None => return Phase::Starting("loading the model"),
            Some(Loaded::Native(_)) => WorkerState::Ready,
            Some(Loaded::Worker(worker)) => worker.state(),
        };
        match state {
            WorkerState::Failed(why) => Phase::Failed(why),
            WorkerState::Starting => Phase::Starting("starting the Python workers"),
            WorkerState::Ready if self.warm.load(Ordering::Acquire) => Phase::Ready,
            WorkerState::Ready => Phase::Starting("warming up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wharf_spec::model::Method;

    use super::*;
    use crate::runtime::{CallError, Native, Payload};

    #[derive(Debug)]
    struct Silent;

    impl Native for Silent {
        fn call(&self, _: &Method, _: Vec<Option<Payload>>) -> Result<Payload, CallError> {
            Err(CallError::Died)
        }
    }

    #[test]
    fn a_model_is_ready_only_after_its_warm_up_and_serves_on_while_draining() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting("loading the model"));
        assert_eq!(readiness.model().unwrap_err(), "the model is loading");

        readiness.loaded(Loaded::Native(Arc::new(Silent)));
        assert_eq!(readiness.phase(), Phase::Starting("warming up"));
        assert_eq!(readiness.model().unwrap_err(), "the model is warming up");

        readiness.warm();
        assert_eq!(readiness.phase(), Phase::Ready);

        readiness.drain();
        assert_eq!(readiness.phase(), Phase::Draining);
        assert!(readiness.model().is_ok());
    }
}
