//! Where long native calls wait for a core: one call for each core, so that health checks stay quick, and a bounded
//! number of calls, and of bytes, behind them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    metrics::histogram::Histogram,
    runtime::{CallError, figures::QueueFigures},
};

/// Calls that may wait, for each core.
const WAITING_PER_CORE: usize = 64;

/// What the waiting calls may weigh together.
const WAITING_BYTES: usize = 256 << 20;

/// The gate to the cores.
#[derive(Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    max_calls: usize,
    calls: AtomicUsize,
    bytes: AtomicUsize,
    waited: Histogram,
}

/// A place among those that wait, left when it is dropped.
#[derive(Debug)]
struct Place<'a> {
    gate: &'a Gate,
    bytes: usize,
}

impl Gate {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(cores)),
            max_calls: cores * WAITING_PER_CORE,
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            waited: Histogram::default(),
        }
    }

    /// Waits for a core for a call that weighs so many bytes; the core is given back with what is returned.
    ///
    /// # Errors
    /// When too many calls wait already.
    pub(crate) async fn pass(&self, bytes: usize) -> Result<OwnedSemaphorePermit, CallError> {
        let since = Instant::now();
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.wait(bytes)?;
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                permit.expect("the semaphore is never closed")
            }
        };
        self.waited.observe(since.elapsed());
        Ok(permit)
    }

    /// Takes a place among those that wait. One call may weigh anything: the limit of a body is its bound.
    fn wait(&self, bytes: usize) -> Result<Place<'_>, CallError> {
        let calls_before = self.calls.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let place = Place { gate: self, bytes };
        let too_heavy = calls_before > 0 && bytes_before + bytes > WAITING_BYTES;
        if calls_before >= self.max_calls || too_heavy {
            return Err(CallError::busy(calls_before));
        }
        Ok(place)
    }

    pub(crate) fn figures(&self) -> QueueFigures {
        QueueFigures {
            calls: self.calls.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            waited: self.waited.times(),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.calls.fetch_sub(1, Ordering::Relaxed);
        self.gate.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn waiting(gate: &Gate) -> (usize, usize) {
        let figures = gate.figures();
        (figures.calls, figures.bytes)
    }

    #[tokio::test]
    async fn calls_beyond_the_cores_wait_and_pass_one_after_the_other() {
        let gate = Gate::new(1);
        let first = gate.pass(10).await.unwrap();
        let mut second = Box::pin(gate.pass(20));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(waiting(&gate), (1, 20));
        drop(first);
        drop(second.await.unwrap());
        assert_eq!(waiting(&gate), (0, 0));
    }

    #[tokio::test]
    async fn too_many_waiting_calls_are_refused_and_those_that_leave_make_room() {
        let gate = Gate::new(1);
        let _running = gate.pass(1).await.unwrap();
        let mut line: Vec<_> = (0..WAITING_PER_CORE).map(|_| Box::pin(gate.pass(1))).collect();
        assert!(line.iter_mut().all(|call| call.as_mut().now_or_never().is_none()));
        let refused = gate.pass(1).await.unwrap_err();
        assert_eq!(refused.to_string(), "64 requests are waiting already");
        line.pop();
        assert!(gate.pass(1).now_or_never().is_none(), "there is room for one");
    }

    #[tokio::test]
    async fn the_bytes_that_wait_are_bounded() {
        let gate = Gate::new(1);
        let _running = gate.pass(1).await.unwrap();
        let mut heavy = Box::pin(gate.pass(WAITING_BYTES + 1));
        assert!(heavy.as_mut().now_or_never().is_none(), "alone, it may wait");
        gate.pass(1).await.unwrap_err();
    }
}
