//! Calls that wait for a free worker: first come, first served, bounded by number and by bytes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time};
use wharf_model::tensor::Data;

use crate::runtime::{CallError, Payload, Values};

/// A call on its way to a worker.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) method: String,
    pub(super) inputs: Vec<Option<Payload>>,
    bytes: usize,
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Result<Payload, CallError>>,
}

/// What the caller of a [`Job`] holds. Dropped, it takes the call back: a queued one is not made, and the answer of
/// a running one is thrown away.
#[derive(Debug)]
pub(super) struct Ticket {
    taken: oneshot::Receiver<()>,
    answer: oneshot::Receiver<Result<Payload, CallError>>,
}

/// What stands next in the queue.
#[derive(Debug)]
pub(super) enum Next {
    Job(Job),
    /// Nothing came in time.
    Nothing,
    /// The queue is closed, and nothing will come any more.
    Closed,
}

/// The queue of all workers of a model.
#[derive(Debug)]
pub(super) struct Queue {
    max_jobs: usize,
    max_bytes: usize,
    state: Mutex<State>,
    /// A job came, or the queue was closed.
    changed: Condvar,
    /// The queue was closed.
    closed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Once the queue is closed: until when running calls may go on.
    closed: Option<Instant>,
}

impl Job {
    /// Returns a call, and what its caller waits with.
    pub(super) fn new(method: String, inputs: Vec<Option<Payload>>) -> (Self, Ticket) {
        let (taken, was_taken) = oneshot::channel();
        let (answer, was_answered) = oneshot::channel();
        let bytes = inputs.iter().flatten().map(weight).sum();
        let job = Self { method, inputs, bytes, taken, answer };
        (job, Ticket { taken: was_taken, answer: was_answered })
    }

    /// Gives the caller the answer, if it still waits.
    pub(super) fn finish(self, answer: Result<Payload, CallError>) {
        self.answer.send(answer).ok();
    }
}

impl Ticket {
    /// Waits for the answer; `limit` is for the wait in the queue, the worker has its own.
    pub(super) async fn answer(self, limit: Duration) -> Result<Payload, CallError> {
        if time::timeout(limit, self.taken).await.is_err() {
            let text = format!("no worker was free within {} s", limit.as_secs());
            return Err(CallError::Unavailable(text));
        }
        let lost =
            || Err(CallError::Internal("a worker's supervisor ended unexpectedly".to_owned()));
        self.answer.await.unwrap_or_else(|_| lost())
    }
}

impl Queue {
    pub(super) fn new(max_jobs: usize, max_bytes: usize) -> Self {
        let (changed, closed) = (Condvar::new(), Condvar::new());
        Self { max_jobs, max_bytes, state: Mutex::default(), changed, closed }
    }

    /// Puts a call at the end.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub(super) fn push(&self, job: Job) -> Result<(), CallError> {
        let mut state = self.lock();
        if state.closed.is_some() {
            return Err(stopping());
        }
        if self.is_full(&state, &job) {
            // Callers that left make room.
            state.retain(|job| !job.answer.is_closed());
        }
        if self.is_full(&state, &job) {
            let text = format!("{} requests are waiting already", state.jobs.len());
            return Err(CallError::Unavailable(text));
        }
        state.bytes += job.bytes;
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the next call whose caller still waits.
    pub(super) fn take(&self, limit: Duration) -> Next {
        let is_idle = |state: &mut State| state.jobs.is_empty() && state.closed.is_none();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, is_idle)
            .expect("nothing panics while it holds the lock");
        if state.closed.is_some() {
            return Next::Closed;
        }
        while let Some(mut job) = state.jobs.pop_front() {
            state.bytes -= job.bytes;
            let taken = mem::replace(&mut job.taken, oneshot::channel().0);
            if taken.send(()).is_ok() {
                return Next::Job(job);
            }
        }
        Next::Nothing
    }

    /// Refuses all calls that wait.
    pub(super) fn refuse_all(&self, error: &CallError) {
        let jobs = self.lock().drain();
        for job in jobs {
            job.refuse(error.clone());
        }
    }

    /// Refuses all calls that wait and all that come; those that run may go on until `grace`.
    pub(super) fn close(&self, grace: Instant) {
        let jobs = {
            let mut state = self.lock();
            state.closed = Some(state.closed.map_or(grace, |earlier| earlier.min(grace)));
            state.drain()
        };
        self.changed.notify_all();
        self.closed.notify_all();
        for job in jobs {
            job.refuse(stopping());
        }
    }

    /// Returns, once the queue is closed, until when running calls may go on.
    pub(super) fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// Sleeps, but not longer than the queue is open.
    pub(super) fn sleep(&self, limit: Duration) {
        let is_open = |state: &mut State| state.closed.is_none();
        let woken = self.closed.wait_timeout_while(self.lock(), limit, is_open);
        drop(woken.expect("nothing panics while it holds the lock"));
    }

    /// A call that is too large even for an empty queue is for the limit of a request's body to refuse.
    fn is_full(&self, state: &State, job: &Job) -> bool {
        let too_large = state.bytes + job.bytes > self.max_bytes;
        state.jobs.len() >= self.max_jobs || (too_large && !state.jobs.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

impl Job {
    fn refuse(self, error: CallError) {
        self.taken.send(()).ok();
        self.answer.send(Err(error)).ok();
    }
}

impl State {
    fn retain(&mut self, keep: impl Fn(&Job) -> bool) {
        self.jobs.retain(|job| keep(job));
        self.bytes = self.jobs.iter().map(|job| job.bytes).sum();
    }

    fn drain(&mut self) -> VecDeque<Job> {
        self.bytes = 0;
        mem::take(&mut self.jobs)
    }
}

/// Returns the error of calls that come too late.
pub(super) fn stopping() -> CallError {
    CallError::Unavailable("the server is being stopped".to_owned())
}

/// Returns about how many bytes an argument takes in memory.
fn weight(payload: &Payload) -> usize {
    match payload {
        Payload::Tensor(tensor) => match tensor.data() {
            Data::Bool(items) => items.len(),
            Data::F32(_) | Data::I32(_) => tensor.data().len() * 4,
            Data::F64(_) | Data::I64(_) | Data::U64(_) => tensor.data().len() * 8,
            Data::Str(items) => items.iter().map(|text| text.len() + size_of::<String>()).sum(),
        },
        Payload::Frame(frame) => frame.columns.iter().map(|column| weight_of(&column.values)).sum(),
        Payload::Json(value) => json_weight(value),
        Payload::Binary(content) => content.len(),
        Payload::List(items) => items.iter().map(weight).sum(),
    }
}

fn weight_of(values: &Values) -> usize {
    match values {
        Values::F64(items) => items.len() * 8,
        Values::I64(items) => items.len() * 8,
        Values::Bool(items) => items.len(),
        Values::Json(items) => items.iter().map(json_weight).sum(),
    }
}

fn json_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;

    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(json_weight).sum(),
        Value::Object(items) => items.iter().map(|(key, item)| key.len() + json_weight(item)).sum(),
    };
    inside + size_of::<Value>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(text: &str) -> (Job, Ticket) {
        Job::new(text.to_owned(), vec![Some(Payload::Json(json!(text)))])
    }

    fn next(queue: &Queue) -> Option<String> {
        match queue.take(Duration::ZERO) {
            Next::Job(job) => Some(job.method),
            Next::Nothing | Next::Closed => None,
        }
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let queue = Queue::new(8, 1 << 20);
        let (first, _first) = job("first");
        let (second, _second) = job("second");
        queue.push(first).unwrap();
        queue.push(second).unwrap();
        assert_eq!(next(&queue).as_deref(), Some("first"));
        assert_eq!(next(&queue).as_deref(), Some("second"));
        assert_eq!(next(&queue), None);
    }

    #[test]
    fn a_call_whose_caller_left_is_not_made() {
        let queue = Queue::new(8, 1 << 20);
        let (gone, ticket) = job("gone");
        let (here, _ticket) = job("here");
        queue.push(gone).unwrap();
        queue.push(here).unwrap();
        drop(ticket);
        assert_eq!(next(&queue).as_deref(), Some("here"));
    }

    #[test]
    fn a_full_queue_refuses_and_callers_that_left_make_room() {
        let queue = Queue::new(1, 1 << 20);
        let (first, ticket) = job("first");
        queue.push(first).unwrap();
        let (second, _second) = job("second");
        let error = queue.push(second).unwrap_err();
        assert_eq!(error.to_string(), "1 requests are waiting already");
        drop(ticket);
        let (third, _third) = job("third");
        queue.push(third).unwrap();
    }

    #[test]
    fn the_bytes_that_wait_are_bounded() {
        let queue = Queue::new(8, 1000);
        let (large, _large) = job(&"x".repeat(900));
        let (small, _small) = job(&"x".repeat(100));
        queue.push(large).unwrap();
        queue.push(small).unwrap_err();
        assert!(next(&queue).is_some());
        let (again, _again) = job(&"x".repeat(100));
        queue.push(again).unwrap();
    }

    #[tokio::test]
    async fn a_closed_queue_refuses_what_waits_and_what_comes() {
        let queue = Queue::new(8, 1 << 20);
        let (waiting, ticket) = job("waiting");
        queue.push(waiting).unwrap();
        queue.close(Instant::now());
        assert_eq!(ticket.answer(Duration::from_secs(9)).await, Err(stopping()));
        let (late, _ticket) = job("late");
        assert_eq!(queue.push(late), Err(stopping()));
        assert!(matches!(queue.take(Duration::ZERO), Next::Closed));
    }

    #[tokio::test]
    async fn a_call_that_no_worker_takes_is_given_up() {
        let (_job, ticket) = job("waiting");
        let error = ticket.answer(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.to_string(), "no worker was free within 0 s");
    }
}
