//! An engine in memory: quick, without a container, and it tells what it was asked.
//!
//! A service runs until it is stopped. Of a command it understands a shell script of `echo`, `seq`, `sleep` and
//! `exit` (see [`script`]). What goes wrong can be set: a start that fails, a port that is taken, what a program
//! inside answers.

mod script;

mod engine;

mod images;

pub(crate) mod archive;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use tokio::sync::watch;
use wharf_spec::{
    label,
    name::ProjectName,
    status::{Endpoint, Exit, Health, Phase, Status},
    workload::{HostPort, Restart, Workload, WorkloadId},
};

use self::images::Content;
use crate::{About, ExecOutcome, ImageFacts, LogLine, LogStream, Usage};

/// An engine in memory. A copy is another connection to the same engine.
#[derive(Debug, Clone)]
pub struct Fake {
    about: About,
    state: Arc<Mutex<State>>,
    /// Counts changes, for those who wait for one.
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    projects: BTreeSet<ProjectName>,
    running: BTreeMap<WorkloadId, Running>,
    images: BTreeMap<String, ImageFacts>,
    images_made: Vec<String>,
    images_saved: usize,
    /// By the image's name.
    contents: BTreeMap<String, Content>,
    /// Layers, by the digests of their uncompressed tars.
    blobs: BTreeMap<String, Bytes>,
    layers_sent: Vec<usize>,
    has_lost_layers: bool,
    applied: Vec<Workload>,
    execs: Vec<(WorkloadId, Vec<String>)>,
    exec_answer: Option<ExecOutcome>,
    failing: BTreeMap<String, (i64, Vec<String>)>,
    usage: BTreeMap<String, Usage>,
    looks_at_usage: usize,
    taken_ports: BTreeSet<u16>,
    made: u64,
}

#[derive(Debug)]
struct Running {
    workload: Workload,
    phase: Phase,
    exit: Option<Exit>,
    log: Vec<LogLine>,
    host_ports: Vec<u16>,
    handle: String,
}

impl Default for Fake {
    fn default() -> Self {
        let about = About {
            id: "fake".to_owned(),
            version: "fake 1".to_owned(),
            api: "1.41".to_owned(),
            host: "127.0.0.1".to_owned(),
            address: "fake://".to_owned(),
            is_local: true,
            keeps_apart: None,
        };
        Self { about, state: Arc::default(), changes: Arc::new(watch::Sender::new(0)) }
    }
}

/// What can be set, and what was asked.
impl Fake {
    /// Lets the image be there.
    pub fn add_image(&self, name: &str, facts: ImageFacts) {
        self.state().images.insert(name.to_owned(), facts);
    }

    /// Lets workloads of this name end at once, with this code and these lines on standard error.
    pub fn fail_start(&self, name: &str, exit: i64, log: &[&str]) {
        let lines = log.iter().map(|line| (*line).to_owned()).collect();
        self.state().failing.insert(name.to_owned(), (exit, lines));
    }

    /// Lets workloads of this name start as others do.
    pub fn mend_start(&self, name: &str) {
        self.state().failing.remove(name);
    }

    /// Lets every program that is run inside a workload answer so; without it, code 0 and no output.
    pub fn exec_answers(&self, code: i64, output: &str) {
        self.state().exec_answer = Some(ExecOutcome { code, output: output.to_owned() });
    }

    /// Lets workloads of this name use so much while they run; without it, next to nothing.
    pub fn uses(&self, name: &str, usage: Usage) {
        self.state().usage.insert(name.to_owned(), usage);
    }

    /// Returns how often it was asked what is used.
    pub fn looks_at_usage(&self) -> usize {
        self.state().looks_at_usage
    }

    /// Lets a port of the host be held by somebody else.
    pub fn take_port(&self, port: u16) {
        self.state().taken_ports.insert(port);
    }

    /// Returns the names of images that were loaded, built, committed or pulled, oldest first.
    pub fn images_made(&self) -> Vec<String> {
        self.state().images_made.clone()
    }

    /// Returns how often an image was taken out.
    pub fn images_saved(&self) -> usize {
        self.state().images_saved
    }

    /// Lets the layers of all images be gone when an archive leaves them out, as after `docker rmi`.
    pub fn lose_layers(&self) {
        self.state().has_lost_layers = true;
    }

    /// Returns how many layers came with each archive that was loaded or refused, oldest first.
    pub fn layers_sent(&self) -> Vec<usize> {
        self.state().layers_sent.clone()
    }

    /// Returns the workloads that were applied and taken, oldest first; one that was there already is left out.
    pub fn applied(&self) -> Vec<Workload> {
        self.state().applied.clone()
    }

    /// Returns the programs that were run inside workloads, oldest first.
    pub fn execs(&self) -> Vec<(WorkloadId, Vec<String>)> {
        self.state().execs.clone()
    }

    /// Returns the projects that were made and not deleted.
    pub fn projects(&self) -> Vec<ProjectName> {
        self.state().projects.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding it")
    }

    /// Changes something and tells those who wait.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        result
    }
}

impl Running {
    /// Starts the process, from the beginning.
    fn run(&mut self, failing: Option<&(i64, Vec<String>)>) {
        let ran = match failing {
            Some((code, lines)) => {
                let log = lines.iter().map(|text| line(LogStream::Err, text)).collect();
                script::Ran { log, code: Some(*code) }
            }
            None => script::run(&self.workload),
        };
        self.log.extend(ran.log);
        self.exit = ran.code.map(Exit::with_code);
        self.phase = match (ran.code, self.workload.restart) {
            (None, _) => Phase::Running,
            (Some(_), Restart::UnlessStopped) => Phase::Restarting,
            (Some(0), Restart::No) => Phase::Succeeded,
            (Some(_), Restart::No) => Phase::Failed,
        };
    }

    fn has_ended(&self) -> bool {
        self.exit.is_some()
    }

    fn status(&self) -> Status {
        let workload = &self.workload;
        let is_up = self.phase == Phase::Running;
        let mut labels = workload.labels.clone();
        labels.extend(label::of(workload));
        let ports = workload.ports.iter().zip(&self.host_ports);
        let endpoints = ports.map(|(port, host_port)| Endpoint {
            container_port: port.container,
            host_port: *host_port,
            address: port.address,
        });
        let has_check = is_up && workload.health.is_some();
        Status {
            id: workload.id.clone(),
            attempt: workload.attempt,
            kind: workload.kind,
            phase: self.phase,
            health: if has_check { Health::Healthy } else { Health::Unknown },
            exit: self.exit.clone(),
            image: workload.image.clone(),
            endpoints: if is_up { endpoints.collect() } else { Vec::new() },
            restarts: u32::from(self.phase == Phase::Restarting),
            created: Some(LONG_AGO.to_owned()),
            started: Some(LONG_AGO.to_owned()),
            labels,
            handle: self.handle.clone(),
        }
    }
}

/// Nothing here knows the time.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

impl State {
    /// Returns a port for each that is asked for.
    ///
    /// # Errors
    /// The port that somebody holds.
    fn choose_ports(&self, workload: &Workload) -> Result<Vec<u16>, u16> {
        let running = self.running.values().filter(|one| !one.has_ended());
        let mut held: BTreeSet<u16> = running.flat_map(|one| one.host_ports.clone()).collect();
        held.extend(&self.taken_ports);
        let mut chosen = Vec::new();
        for port in &workload.ports {
            let given = match port.host {
                HostPort::Fixed(port) if held.contains(&port) => return Err(port),
                HostPort::Fixed(port) => port,
                HostPort::From(first) => {
                    (first.max(1)..=u16::MAX).find(|port| !held.contains(port)).ok_or(first)?
                }
            };
            held.insert(given);
            chosen.push(given);
        }
        Ok(chosen)
    }
}

fn line(stream: LogStream, text: &str) -> LogLine {
    LogLine { stream, time: None, text: text.to_owned() }
}
