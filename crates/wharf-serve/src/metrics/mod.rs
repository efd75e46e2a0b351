//! What the server counts of itself, for `/metrics`.
//!
//! To count is to add to atomics: no lock is taken and nothing allocated while a request is served, and nothing that
//! a client sends becomes a label.
//!
//! - [`histogram`]: times in buckets;
//! - [`document`]: everything there is to say, in [`text`]; [`process`]: what Linux knows of a process.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use self::histogram::Histogram;

pub(crate) mod histogram;

pub(crate) mod document;

mod text;

mod process;

/// Statuses that are counted apart; the last one stands for clients that left before the answer, as in nginx.
const STATUSES: [u16; 16] =
    [200, 400, 403, 404, 405, 408, 413, 415, 422, 500, 501, 502, 503, 504, OTHER_STATUS, LEFT];

/// Any other status, which this server does not give.
const OTHER_STATUS: u16 = 0;

const LEFT: u16 = 499;

/// Why a request was turned away before the model saw it, under some limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    QueueFull,
    Body,
    Timeout,
}

impl Rejection {
    const ALL: [Self; 3] = [Self::QueueFull, Self::Body, Self::Timeout];

    const fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Body => "body",
            Self::Timeout => "timeout",
        }
    }
}

/// The counters of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By the place of the route.
    routes: Vec<RouteCounts>,
    open: AtomicU64,
    rows: AtomicU64,
    model: Histogram,
    /// By the place in [`Rejection::ALL`].
    rejected: [AtomicU64; Rejection::ALL.len()],
    started: SystemTime,
}

/// The counters of one route.
#[derive(Debug, Default)]
struct RouteCounts {
    /// By the place in [`STATUSES`].
    statuses: [AtomicU64; STATUSES.len()],
    seconds: Histogram,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// A request that is open. Dropped before it is answered, it counts as one whose client has left.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    metrics: &'a Metrics,
    route: &'a RouteCounts,
    since: Instant,
    answered: bool,
}

impl Metrics {
    pub(crate) fn new(routes: usize) -> Self {
        Self {
            routes: (0..routes).map(|_| RouteCounts::default()).collect(),
            open: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            model: Histogram::default(),
            rejected: Default::default(),
            started: SystemTime::now(),
        }
    }

    /// Counts a request of a route, by its place, as open from now on.
    pub(crate) fn open(&self, route: usize) -> Open<'_> {
        add(&self.open, 1);
        Open { metrics: self, route: &self.routes[route], since: Instant::now(), answered: false }
    }

    /// Counts a call that the model answered.
    pub(crate) fn called(&self, rows: usize, model: Duration) {
        add(&self.rows, rows as u64);
        self.model.observe(model);
    }

    /// Counts a request that was turned away.
    pub(crate) fn rejected(&self, why: Rejection) {
        add(&self.rejected[why as usize], 1);
    }
}

impl Open<'_> {
    /// Counts the answer; returns how long it took.
    pub(crate) fn answered(
        mut self,
        status: u16,
        received_bytes: u64,
        sent_bytes: u64,
    ) -> Duration {
        self.answered = true;
        add(&self.route.received_bytes, received_bytes);
        add(&self.route.sent_bytes, sent_bytes);
        self.close(status)
    }

    fn close(&self, status: u16) -> Duration {
        let took = self.since.elapsed();
        let place = |wanted| STATUSES.iter().position(|status| *status == wanted);
        let place = place(status).or_else(|| place(OTHER_STATUS)).expect("it is in the list");
        add(&self.route.statuses[place], 1);
        self.route.seconds.observe(took);
        took
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.close(LEFT);
        }
        self.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Nobody waits for what a counter says, so the order does not matter.
fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
