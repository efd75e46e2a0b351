//! The server of a model's image as a process that ends with this one.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, Command},
    task::JoinSet,
};
use wharf_model::recognise::Model;
use wharf_ops::error::{Error, Result};
use wharf_spec::codes;

use super::{super::Session, python::PythonArgs};

/// How long a server may take to finish what runs when it is told to end.
const PATIENCE: Duration = Duration::from_secs(25);

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
}

impl Listen {
    /// On a free port that only this machine reaches.
    pub(crate) const PRIVATE: Self = Self { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0 };
}

/// A server that runs. It is killed when the value goes, and takes its bundle with it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    // Waiting would close it, and it ends when it is closed.
    _stdin: Option<ChildStdin>,
    _bundle: TempDir,
    /// What it says once it is ready.
    reading: JoinSet<()>,
}

impl Process {
    /// Starts the server of a model.
    pub(crate) async fn start(
        session: &Session<'_>,
        model: &Model,
        python: &PythonArgs,
        listen: Listen,
        log: &str,
        stderr: Stdio,
    ) -> Result<Self> {
        let runtime = model.card.runtime;
        let program = session.config.helpers.program(runtime)?;
        let bundle = tempfile::Builder::new()
            .prefix("wharf-serve-")
            .tempdir()
            .map_err(|source| Error::file("make a folder in", &std::env::temp_dir(), source))?;
        model.write_bundle(bundle.path())?;
        let (host, port) = (listen.host.to_string(), listen.port.to_string());
        let mut command = Command::new(program);
        command
            .args(["serve", "--host", &host, "--port", &port, "--log", log])
            .arg("--bundle")
            .arg(bundle.path())
            // It ends with us, also when we are killed, and takes the bundle with it.
            .arg("--temporary")
            .stdin(Stdio::piped())
            .stderr(stderr)
            // ^C reaches us alone, and we pass it on once.
            .process_group(0)
            .kill_on_drop(true);
        if !runtime.is_native() {
            command.arg("--python").arg(python.interpreter(session, model).await?);
        }
        if let Some(workers) = python.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let mut child = command.spawn().map_err(|source| {
            Error::new(codes::NO_HELPER, format!("could not start `{}`", runtime.program()))
                .because(source)
        })?;
        let stdin = child.stdin.take();
        Ok(Self { child, _stdin: stdin, _bundle: bundle, reading: JoinSet::new() })
    }

    /// Waits until a server whose stderr is a pipe is ready, and returns its port; `show` gets what it says from then on.
    pub(crate) async fn ready(&mut self, show: impl Fn(&str) + Send + 'static) -> Result<u16> {
        let stderr = self.child.stderr.take().expect("it was started with a pipe, and asked once");
        let mut lines = BufReader::new(stderr).lines();
        let Some(port) = port(&mut lines).await? else {
            return Err(Error::new(codes::MODEL_LOAD, "the model server said nothing and ended"));
        };
        self.reading.spawn(async move {
            // Somebody must go on reading, or its next line meets a closed pipe.
            while let Ok(Some(line)) = lines.next_line().await {
                show(&line);
            }
        });
        Ok(port)
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end; it finishes what runs.
    pub(crate) async fn end(&mut self) -> io::Result<ExitStatus> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.child.kill().await?;
                self.child.wait().await
            }
        }
    }
}

/// Reads until the server says that it is ready, and where; its last lines are in the error when it does not.
async fn port(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<Option<u16>> {
    const SHOWN: usize = 20;
    let mut last = VecDeque::with_capacity(SHOWN);
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(port) = ready_at(&line) {
            return Ok(Some(port));
        }
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    if last.is_empty() {
        return Ok(None);
    }
    let lines: Vec<String> = last.into();
    Err(Error::new(codes::MODEL_LOAD, "the model does not load").with_excerpt(lines.join("\n")))
}

/// Returns the port of the line in which the server says that it is ready.
fn ready_at(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(" is ready after ")?;
    let (_, address) = rest.split_once("http://")?;
    let (address, _) = address.split_once('/')?;
    address.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_where_is_understood_in_both_forms() {
        let text = "2026-01-01T00:00:00Z iris is ready after 7 ms: http://127.0.0.1:4711/";
        assert_eq!(ready_at(text), Some(4711));
        assert_eq!(ready_at(&format!("{{\"message\":\"{text}\"}}")), Some(4711));
        assert_eq!(ready_at("GET http://127.0.0.1:4711/"), None);
    }
}
