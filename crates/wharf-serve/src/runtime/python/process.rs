//! One worker: a Python process in a group of its own, its socket and its output.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpgid,
};

use super::{
    channel::{self, Channel, ChannelError, Kind, Message, TICK, Wait},
    log::{Capture, Log},
};

/// What `python -c` runs: it takes [`MODULES`] from the socket, so that nothing has to be written to a disk.
const BOOTSTRAP: &str = include_str!("../../python/bootstrap.py");

/// The worker itself: names of its modules and their sources.
const MODULES: [(&str, &str); 2] = [
    ("_wharf_values", include_str!("../../python/values.py")),
    ("_wharf_worker", include_str!("../../python/worker.py")),
];

/// After bye, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How long the last lines of a worker that ended may take to come.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// A running worker. Dropped, it is killed with everything that it started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The process, and its group.
    pid: Pid,
    channel: Channel,
    output: Capture,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the interpreter; the worker's modules are not sent yet.
    pub(super) fn spawn(python: &Path, number: usize, log: &Arc<Log>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = io::pipe()?;
        let child = Command::new(python)
            // -I: nothing of the user's environment; -B: no `__pycache__` in the bundle; -u: lines come at once.
            .args(["-I", "-B", "-u", "-X", "utf8", "-c", BOOTSTRAP])
            .arg(format!("wharf-worker-{number}"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let (channel, output) = (Channel::new(ours)?, log.capture(reader)?);
        Ok(Self { child, pid, channel, output, ended: None })
    }

    /// Sends the worker's modules, and the frame that makes it load the model; returns its answer.
    pub(super) fn start(
        &mut self,
        hello: &[u8],
        until: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<Message, ChannelError> {
        let modules = serde_json::to_vec(&MODULES).expect("sources are text");
        let mut bytes = (modules.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&modules);
        bytes.extend_from_slice(hello);
        self.ask(&bytes, until, stop)
    }

    /// Sends a frame and returns the one that answers it.
    pub(super) fn ask(
        &mut self,
        frame: &[u8],
        until: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<Message, ChannelError> {
        self.tell(frame, until, stop)?;
        self.hear(until, stop)
    }

    /// Sends a frame.
    pub(super) fn tell(
        &mut self,
        frame: &[u8],
        until: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), ChannelError> {
        let pid = self.pid;
        self.channel.send(frame, Wait { until, go_on: &|| goes_on(pid, stop) })
    }

    /// Returns the next frame.
    pub(super) fn hear(
        &mut self,
        until: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<Message, ChannelError> {
        let pid = self.pid;
        self.channel.receive(Wait { until, go_on: &|| goes_on(pid, stop) })
    }

    /// Returns the number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says whether the worker has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some() || has_ended(self.pid)
    }

    /// Ends the worker: bye, SIGTERM, SIGKILL.
    pub(super) fn stop(mut self) {
        let wait = Wait { until: Instant::now() + GRACE, go_on: &|| Ok(()) };
        let bye = channel::frame(Kind::Bye, 0, &serde_json::json!({}), &[]);
        self.channel.send(&bye.expect("it is small"), wait).ok();
        if !self.ends_within(GRACE) {
            kill_process_group(self.pid, Signal::TERM).ok();
            self.ends_within(GRACE);
        }
        self.kill();
    }

    /// Waits for a worker that seems to have ended, kills what is left, and returns how it ended.
    pub(super) fn bury(mut self, patience: Duration) -> Option<ExitStatus> {
        self.ends_within(patience);
        self.kill();
        self.ended
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(TICK / 10);
        }
        true
    }

    /// Kills the group before the worker is waited for: until then nobody else can have its number.
    fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        kill_process_group(self.pid, Signal::KILL).ok();
        // A model may have left its group.
        self.child.kill().ok();
        self.ended = self.child.wait().ok();
        reap_orphans(self.pid);
        self.output.wait(OUTPUT_GRACE);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says whether there is something to wait for.
fn goes_on(pid: Pid, stop: &dyn Fn() -> bool) -> Result<(), ChannelError> {
    match () {
        () if stop() => Err(ChannelError::Stopped),
        // A process that the model started may hold the socket open when the worker is long dead.
        () if has_ended(pid) => Err(ChannelError::Closed),
        () => Ok(()),
    }
}

/// Says whether a child has ended, and leaves it to be waited for.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// Waits for killed processes of a group that became ours: as PID 1 of a container, the server inherits what the
/// model started.
fn reap_orphans(group: Pid) {
    for _ in 0..20 {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => thread::sleep(TICK / 10),
            // There are none, or none that are ours.
            Err(_) => return,
        }
    }
}
