//! Where workloads run: the words of wharf on one side, an engine's own objects on the other.
//!
//! - [`Engine`] and its optional powers [`Images`], [`Exec`] and [`Meter`]: what the rest of wharf calls;
//! - [`capability`]: what an engine can honour, asked before anything is made; [`error`]: what can go wrong;
//! - [`mod@connect`]: where an engine is looked for; [`docker`]: Docker and Podman through Docker's API;
//! - [`fake`]: an engine in memory; [`conformance`]: the properties that every engine has.

pub mod capability;

pub mod error;

pub mod connect;

pub mod docker;

pub mod fake;

pub mod conformance;

use std::{any::Any, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use wharf_spec::{
    digest::Digest,
    name::ProjectName,
    reference::Reference,
    status::{Exit, Status},
    workload::{Workload, WorkloadId},
};

use crate::{
    capability::Capabilities,
    error::{EngineError, Result},
};

/// An engine, in the words of wharf.
#[async_trait]
pub trait Engine: Any + fmt::Debug + Send + Sync {
    /// The `type` of the env that configures it: `docker`, `podman`, `fake`.
    fn name(&self) -> &'static str;

    /// What it says about itself; asked once, when connecting.
    fn about(&self) -> &About;

    fn capabilities(&self) -> Capabilities;

    /// Makes what a project needs (its network); the second time changes nothing.
    async fn ensure_project(&self, project: &ProjectName) -> Result<()>;

    /// Removes everything of a project; one that is not there is as wished.
    async fn delete_project(&self, project: &ProjectName) -> Result<()>;

    /// Makes the engine run this workload, in its project (made where missing). The same workload again changes
    /// nothing; the same generation with another spec is a conflict: a replacement is the next generation. When
    /// it cannot be started nothing of it stays behind.
    async fn apply(&self, workload: &Workload) -> Result<Status>;

    /// Returns the workloads of a project, or all that carry labels of wharf.
    async fn list(&self, project: Option<&ProjectName>) -> Result<Vec<Status>>;

    /// Returns one workload as it is now.
    async fn status(&self, id: &WorkloadId) -> Result<Status>;

    /// Waits until the process has ended.
    async fn wait(&self, id: &WorkloadId) -> Result<Exit>;

    /// Asks the process to end, and ends it when the grace is over; keeps what it wrote.
    async fn stop(&self, id: &WorkloadId, grace: Duration) -> Result<()>;

    /// Starts a workload that was stopped.
    async fn start(&self, id: &WorkloadId) -> Result<()>;

    /// Ends and removes a workload; one that is not there is as wished.
    async fn delete(&self, id: &WorkloadId, grace: Duration) -> Result<()>;

    /// Returns what the process wrote, oldest first.
    fn logs(&self, id: &WorkloadId, options: LogOptions) -> BoxStream<'static, Result<LogLine>>;

    /// The image store, where it is local to the engine.
    fn images(&self) -> Option<&dyn Images> {
        None
    }

    /// Running a program inside a workload.
    fn exec(&self) -> Option<&dyn Exec> {
        None
    }

    /// Telling what workloads use of CPU and memory.
    fn meter(&self) -> Option<&dyn Meter> {
        None
    }

    fn as_any(&self) -> &dyn Any;
}

/// What an engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Names this engine for ever; part of every seal.
    pub id: String,
    /// `docker 20.10.24`, for people.
    pub version: String,
    /// The API version that was agreed on: `1.41`.
    pub api: String,
    /// The name under which published ports are reached: `127.0.0.1` for an engine of this machine.
    pub host: String,
    /// Where it was found, for people: `unix:///var/run/docker.sock`.
    pub address: String,
    /// Whether paths of this machine mean the same to the engine.
    pub is_local: bool,
    /// Why a file of this machine cannot be shared with a container as it is; `None` where it can.
    pub keeps_apart: Option<&'static str>,
}

/// Which lines of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Go on until the process ends.
    pub follow: bool,
    /// Only the last lines; `None` is all.
    pub tail: Option<u32>,
    /// Only lines since then, Unix time in milliseconds.
    pub since_ms: Option<i64>,
}

/// One line that a process wrote, without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: LogStream,
    /// RFC 3339 with nanoseconds, UTC, as the engine gives it.
    pub time: Option<String>,
    /// Bytes that are no UTF-8 are replaced; a line over 64 KiB is cut.
    pub text: String,
}

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Out,
    Err,
}

/// The image store of an engine.
#[async_trait]
pub trait Images: Send + Sync {
    /// Returns an image; `None` when it is not there.
    async fn find(&self, image: &str) -> Result<Option<ImageFacts>>;

    /// Returns the images that carry labels of wharf.
    async fn list(&self) -> Result<Vec<NamedImage>>;

    /// Returns how many of these layers, the lowest first, lie upon each other in one of its images. They are named
    /// by the digests of their uncompressed tars. What it says holds until somebody removes that image.
    async fn layers_held(&self, layers: &[Digest]) -> Result<usize>;

    /// Loads an archive as `docker save` writes it, and returns the facts of `reference`, which it must hold.
    /// Layers that the engine has, as far up as [`Images::layers_held`] says, may be named in it and left out.
    async fn load(
        &self,
        archive: BoxStream<'static, Bytes>,
        reference: &Reference,
    ) -> Result<ImageFacts>;

    /// Returns an image as an archive, as `docker save` writes it, in pieces. An engine gives it as a whole, with layers
    /// that others have.
    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// Builds a context (a tar that holds the Dockerfile) and names the result.
    async fn build(
        &self,
        context: BoxStream<'static, Bytes>,
        request: BuildRequest<'_>,
    ) -> Result<ImageFacts>;

    /// Makes an image of a workload that has ended, with everything it wrote to its root file system.
    async fn commit(
        &self,
        id: &WorkloadId,
        reference: &Reference,
        labels: &[(String, String)],
    ) -> Result<ImageFacts>;

    /// Pulls an image; each line that the engine reports goes to `progress`.
    async fn pull(
        &self,
        reference: &Reference,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<ImageFacts>;

    /// Removes an image's name, and the image with its last name; one that is not there is as wished.
    async fn remove(&self, image: &str) -> Result<()>;
}

/// How a context is built.
#[derive(Clone, Copy)]
pub struct BuildRequest<'a> {
    pub reference: &'a Reference,
    /// The path of the Dockerfile inside the context.
    pub dockerfile: &'a str,
    /// Whether the context's `.dockerignore` names files that the builder needs and no `COPY` may see: its
    /// Dockerfile, or itself.
    pub hides_files: bool,
    pub labels: &'a [(String, String)],
    /// Whether base images are pulled that the engine has.
    pub pull: bool,
    /// Whether steps that were run before are run again.
    pub no_cache: bool,
    /// Gets each line that the builder writes.
    pub output: &'a (dyn Fn(String) + Send + Sync),
}

impl fmt::Debug for BuildRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildRequest")
            .field("reference", self.reference)
            .field("dockerfile", &self.dockerfile)
            .field("hides_files", &self.hides_files)
            .field("labels", &self.labels)
            .field("pull", &self.pull)
            .field("no_cache", &self.no_cache)
            .finish_non_exhaustive()
    }
}

/// An image of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// `NAME:TAG`; none for an image whose name went over to another one.
    pub names: Vec<String>,
    pub facts: ImageFacts,
}

/// What an engine says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The engine's own id; opaque.
    pub id: String,
    /// Bytes.
    pub size: u64,
    pub labels: std::collections::BTreeMap<String, String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// The TCP ports of `EXPOSE`, the lowest first.
    pub exposed_ports: Vec<u16>,
    /// RFC 3339, UTC.
    pub created: Option<String>,
    /// The machine that it is for: `linux/amd64`.
    pub platform: Option<String>,
}

/// Says whether a label of an image is one of wharf's.
fn is_of_wharf(label: &str) -> bool {
    label.starts_with("io.wharf.")
}

/// Running programs inside workloads.
#[async_trait]
pub trait Exec: Send + Sync {
    /// Runs a program and returns how it ended; no shell is involved.
    async fn exec(&self, id: &WorkloadId, command: &[String]) -> Result<ExecOutcome>;
}

/// How a program inside a workload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    pub code: i64,
    /// Both streams together, at most 64 KiB.
    pub output: String,
}

/// Telling what workloads use.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Returns what each of these uses now, in their order. It takes a fraction of a second where it can, and never
    /// more than a few; what cannot be told in that time, or does not run, is left open.
    async fn usage(&self, ids: &[WorkloadId]) -> Vec<Usage>;
}

/// What a workload uses, as far as the engine can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Bytes, without files that are only cached.
    pub memory: Option<u64>,
}

/// Refuses a workload by name of the field before anything is made.
///
/// # Errors
/// When the engine cannot honour a field.
pub fn check(engine: &dyn Engine, workload: &Workload) -> Result<()> {
    let missing = engine.capabilities().missing_for(workload);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(EngineError::Unsupported { engine: engine.name(), missing })
    }
}
