//! The workers of one model together: takes calls, and says how they are.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use wharf_spec::model::Method;

use super::{
    Launch,
    queue::{Job, Queue, Ticket},
    reply::Reply,
    supervisor::Supervisor,
};
use crate::runtime::{
    CallError, Payload, Worker, WorkerState, events::Events, figures::WorkerFigures,
};

/// Calls that may wait, for each worker.
const QUEUED_PER_WORKER: usize = 64;

/// What the waiting calls may weigh together.
const QUEUED_BYTES: usize = 256 << 20;

/// How long a running call may go on once the server is being stopped. The server has waited for open requests
/// before that; what still runs has nobody to answer.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The Python workers of one model.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    call_limit: Duration,
    threads: Vec<JoinHandle<()>>,
}

/// What the supervisors and the pool both see.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// How each worker is, by its number.
    slots: Mutex<Vec<Slot>>,
    /// By the place in [`End::ALL`].
    ends: [AtomicU64; End::ALL.len()],
    /// How many supervisors are there still.
    alive: watch::Sender<usize>,
}

/// How a worker is.
#[derive(Debug, Clone)]
struct Slot {
    state: WorkerState,
    /// Its process, while it is ready.
    pid: Option<u32>,
}

/// Why a worker is started again.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Died,
    TimedOut,
    /// It sent nonsense.
    Protocol,
    /// It did not become ready.
    Start,
}

impl End {
    const ALL: [Self; 4] = [Self::Died, Self::TimedOut, Self::Protocol, Self::Start];

    const fn word(self) -> &'static str {
        match self {
            Self::Died => "died",
            Self::TimedOut => "timeout",
            Self::Protocol => "protocol",
            Self::Start => "start",
        }
    }
}

impl Pool {
    /// Starts a supervisor for each worker, which start the processes.
    pub(super) fn start(launch: Launch) -> io::Result<Self> {
        let workers = launch.workers;
        let shared = Arc::new(Shared {
            queue: Queue::new(QUEUED_PER_WORKER * workers, QUEUED_BYTES),
            slots: Mutex::new(vec![Slot { state: WorkerState::Starting, pid: None }; workers]),
            ends: Default::default(),
            alive: watch::Sender::new(0),
        });
        let launch = Arc::new(launch);
        let mut pool = Self { shared, call_limit: launch.call_limit, threads: Vec::new() };
        for number in 0..workers {
            let shared = Arc::clone(&pool.shared);
            let supervisor = Supervisor::new(number, Arc::clone(&launch), shared);
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            pool.threads.push(thread.spawn(move || supervisor.run())?);
        }
        Ok(pool)
    }

    /// Puts a call into the queue; `answer` is the other end of `reply`.
    fn queue<A>(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
        reply: Reply,
        answer: A,
    ) -> Result<Ticket<A>, CallError> {
        self.shared.check_ready()?;
        let (job, ticket) = Job::new(method.name.clone(), inputs, reply, answer);
        self.shared.queue.push(job)?;
        Ok(ticket)
    }
}

#[async_trait]
impl Worker for Pool {
    async fn call(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
    ) -> Result<Payload, CallError> {
        let (reply, answer) = oneshot::channel();
        let ticket = self.queue(method, inputs, Reply::Whole(reply), answer)?;
        let answer = ticket.taken(self.call_limit).await?;
        answer.await.unwrap_or_else(|_| Err(CallError::lost()))
    }

    async fn stream(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
    ) -> Result<Events, CallError> {
        let (reply, events) = Events::channel();
        let ticket = self.queue(method, inputs, Reply::Pieces(reply), events)?;
        ticket.taken(self.call_limit).await
    }

    fn state(&self) -> WorkerState {
        self.shared.state()
    }

    fn admits(&self) -> Result<(), CallError> {
        self.shared.check_ready()?;
        self.shared.queue.check_room()
    }

    fn figures(&self) -> WorkerFigures {
        self.shared.figures()
    }

    async fn shutdown(&self) {
        self.shared.queue.close(Instant::now() + SHUTDOWN_GRACE);
        // An error would mean that the sender is gone, and it is ours.
        self.shared.alive.subscribe().wait_for(|alive| *alive == 0).await.ok();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.close(Instant::now());
        for thread in self.threads.drain(..) {
            // A supervisor that panicked has dropped its process, and with it ended it.
            thread.join().ok();
        }
    }
}

impl Shared {
    /// Notes that a worker is ready, and its process.
    pub(super) fn set_ready(&self, number: usize, pid: u32) {
        self.slots()[number] = Slot { state: WorkerState::Ready, pid: Some(pid) };
    }

    /// Notes how a worker is that is not ready.
    pub(super) fn set(&self, number: usize, state: WorkerState) {
        let all = {
            let mut slots = self.slots();
            slots[number] = Slot { state, pid: None };
            summary(slots.iter().map(|slot| &slot.state))
        };
        if let WorkerState::Failed(reason) = all {
            self.queue.refuse_all(&failed(&reason));
        }
    }

    /// Notes that a supervisor is there.
    pub(super) fn enter(&self) {
        self.alive.send_modify(|alive| *alive += 1);
    }

    /// Notes that a supervisor is done.
    pub(super) fn leave(&self) {
        self.alive.send_modify(|alive| *alive -= 1);
    }

    /// Notes that a worker ended, or did not become ready.
    pub(super) fn note_end(&self, end: End) {
        self.ends[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> WorkerState {
        summary(self.slots().iter().map(|slot| &slot.state))
    }

    fn check_ready(&self) -> Result<(), CallError> {
        match self.state() {
            WorkerState::Ready => Ok(()),
            WorkerState::Starting => {
                Err(CallError::Unavailable("the model is starting".to_owned()))
            }
            WorkerState::Failed(reason) => Err(failed(&reason)),
        }
    }

    fn figures(&self) -> WorkerFigures {
        let ends = End::ALL.iter().zip(&self.ends);
        WorkerFigures {
            workers: self.slots().iter().map(|slot| slot.pid).collect(),
            restarts: ends
                .map(|(end, count)| (end.word(), count.load(Ordering::Relaxed)))
                .collect(),
            queue: self.queue.figures(),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().expect("nothing panics while it holds the lock")
    }
}

/// Returns the error of calls of a model that does not start. The lines of its log are not for clients.
fn failed(reason: &str) -> CallError {
    let reason = reason.lines().next().unwrap_or_default();
    CallError::Unavailable(format!("the model could not be started: {reason}"))
}

/// One ready worker is enough to answer; the model has failed when all have.
fn summary<'a>(states: impl Iterator<Item = &'a WorkerState>) -> WorkerState {
    let best = states.min_by_key(|state| match state {
        WorkerState::Ready => 0,
        WorkerState::Starting => 1,
        WorkerState::Failed(_) => 2,
    });
    best.cloned().unwrap_or(WorkerState::Starting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ready_worker_makes_the_model_ready_and_all_failed_ones_make_it_failed() {
        let failed = || WorkerState::Failed("no".to_owned());
        let check =
            |slots: &[WorkerState], expect: WorkerState| assert_eq!(summary(slots.iter()), expect);
        check(&[failed(), WorkerState::Ready, WorkerState::Starting], WorkerState::Ready);
        check(&[failed(), WorkerState::Starting], WorkerState::Starting);
        check(&[failed(), failed()], failed());
    }
}
