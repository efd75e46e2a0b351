//! Calls that wait for a free worker: first come, first served, bounded by number and by bytes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time};

use super::reply::Reply;
use crate::{
    metrics::histogram::Histogram,
    runtime::{CallError, Payload, figures::QueueFigures, weight},
};

/// A call on its way to a worker.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) method: String,
    pub(super) inputs: Vec<Option<Payload>>,
    bytes: usize,
    since: Instant,
    taken: oneshot::Sender<()>,
    pub(super) reply: Reply,
}

/// What the caller of a [`Job`] holds. Dropped, it takes the call back: a queued one is not made, and the answer of
/// a running one is thrown away.
#[derive(Debug)]
pub(super) struct Ticket<A> {
    taken: oneshot::Receiver<()>,
    answer: A,
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
    waited: Histogram,
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
    /// Returns a call, and what its caller waits with; `answer` is the other end of `reply`.
    pub(super) fn new<A>(
        method: String,
        inputs: Vec<Option<Payload>>,
        reply: Reply,
        answer: A,
    ) -> (Self, Ticket<A>) {
        let (taken, was_taken) = oneshot::channel();
        let (bytes, since) = (weight::of_inputs(&inputs), Instant::now());
        let job = Self { method, inputs, bytes, since, taken, reply };
        (job, Ticket { taken: was_taken, answer })
    }

    fn refuse(self, error: CallError) {
        self.taken.send(()).ok();
        self.reply.finish(Err(error));
    }
}

impl<A> Ticket<A> {
    /// Waits until a worker makes the call or it is refused; returns where the answer comes.
    pub(super) async fn taken(self, limit: Duration) -> Result<A, CallError> {
        if time::timeout(limit, self.taken).await.is_err() {
            let text = format!("no worker was free within {} s", limit.as_secs());
            return Err(CallError::Busy(text));
        }
        Ok(self.answer)
    }
}

impl Queue {
    pub(super) fn new(max_jobs: usize, max_bytes: usize) -> Self {
        let (changed, closed) = (Condvar::new(), Condvar::new());
        let (state, waited) = (Mutex::default(), Histogram::default());
        Self { max_jobs, max_bytes, state, waited, changed, closed }
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
            state.retain(|job| job.reply.is_wanted());
        }
        if self.is_full(&state, &job) {
            return Err(CallError::busy(state.jobs.len()));
        }
        state.bytes += job.bytes;
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Says whether a call of any weight would be refused; whoever has left may make room yet.
    pub(super) fn check_room(&self) -> Result<(), CallError> {
        let mut state = self.lock();
        if state.jobs.len() >= self.max_jobs {
            state.retain(|job| job.reply.is_wanted());
        }
        match state.jobs.len() {
            waiting if waiting >= self.max_jobs => Err(CallError::busy(waiting)),
            _ => Ok(()),
        }
    }

    pub(super) fn figures(&self) -> QueueFigures {
        let (calls, bytes) = {
            let state = self.lock();
            (state.jobs.len(), state.bytes)
        };
        QueueFigures { calls, bytes, waited: self.waited.times() }
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
                self.waited.observe(job.since.elapsed());
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(text: &str) -> (Job, Ticket<oneshot::Receiver<Result<Payload, CallError>>>) {
        let (reply, answer) = oneshot::channel();
        let inputs = vec![Some(Payload::Json(json!(text)))];
        Job::new(text.to_owned(), inputs, Reply::Whole(reply), answer)
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
        let answer = ticket.taken(Duration::from_secs(9)).await.unwrap();
        assert_eq!(answer.await.unwrap(), Err(stopping()));
        let (late, _ticket) = job("late");
        assert_eq!(queue.push(late), Err(stopping()));
        assert!(matches!(queue.take(Duration::ZERO), Next::Closed));
    }

    #[tokio::test]
    async fn a_call_that_no_worker_takes_is_given_up() {
        let (_job, ticket) = job("waiting");
        let error = ticket.taken(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.to_string(), "no worker was free within 0 s");
    }
}
