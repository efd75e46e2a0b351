//! What an engine is asked to run.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    name::{ProjectName, WorkloadName},
    quantity::ByteSize,
};

/// Which workload: two generations of one name may run side by side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkloadId {
    pub project: ProjectName,
    pub name: WorkloadName,
    /// Counts replacements of one name, from 1.
    pub generation: u64,
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (generation {}) of project {}", self.name, self.generation, self.project)
    }
}

/// A service stays; a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    Service,
    Job,
}

impl WorkloadKind {
    /// Returns the word for it, in labels and listings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Job => "job",
        }
    }
}

/// One thing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub id: WorkloadId,
    /// Which try of a job this is, from 1; results are committed under it.
    pub attempt: u32,
    pub kind: WorkloadKind,
    /// What the engine runs: a reference, or the id of an image it has.
    pub image: String,
    /// The digest of that image as wharf knows it, for labels.
    pub image_digest: Option<Digest>,
    pub command: Command,
    pub env: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    pub ports: Vec<Port>,
    pub resources: Resources,
    pub health: Option<HealthCheck>,
    pub restart: Restart,
    pub replicas: u32,
    pub hardening: Hardening,
    /// Seconds between asking the process to end and ending it.
    pub grace_secs: u32,
    /// Labels beside those of [`crate::label::of`]: the store's id and the seal.
    pub labels: BTreeMap<String, String>,
}

impl Workload {
    /// Returns a workload with wharf's defaults: nothing published, no limits but that of processes.
    pub fn new(id: WorkloadId, kind: WorkloadKind, image: impl Into<String>) -> Self {
        Self {
            id,
            attempt: 1,
            kind,
            image: image.into(),
            image_digest: None,
            command: Command::Image,
            env: BTreeMap::new(),
            mounts: Vec::new(),
            ports: Vec::new(),
            resources: Resources::default(),
            health: None,
            restart: match kind {
                WorkloadKind::Service => Restart::UnlessStopped,
                WorkloadKind::Job => Restart::No,
            },
            replicas: 1,
            hardening: Hardening::default(),
            grace_secs: 10,
            labels: BTreeMap::new(),
        }
    }

    /// Returns the digest of what is asked for, whatever its generation, attempt and seal.
    ///
    /// Two workloads with the same digest need no replacement. A port that wharf may choose counts as such,
    /// whichever was chosen.
    pub fn spec_digest(&self) -> Digest {
        // No `..` here: a new field does not compile until someone decides about it.
        let Self {
            id: WorkloadId { project, name, generation: _ },
            attempt: _,
            kind,
            image,
            image_digest,
            command,
            env,
            mounts,
            ports,
            resources,
            health,
            restart,
            replicas,
            hardening,
            grace_secs,
            labels: _,
        } = self;
        let image = image_digest.map_or_else(|| image.clone(), |digest| digest.to_string());
        let spec = (
            (project, name, kind, image, command, env),
            (mounts, ports, resources, health, restart, replicas, hardening, grace_secs),
        );
        Digest::blake3(&serde_json::to_vec(&spec).expect("a workload is plain data"))
    }
}

/// What runs in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// The image's own command.
    Image,
    /// A program and its arguments, in place of the image's command.
    Args(Vec<String>),
}

/// A file or folder of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// An absolute path of the host.
    pub source: String,
    /// An absolute path in the container.
    pub target: String,
    pub read_only: bool,
}

/// A port of the container that is published on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    pub container: u16,
    pub host: HostPort,
    /// The host's address on which it listens; 127.0.0.1 unless asked otherwise.
    pub address: IpAddr,
}

/// Which port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPort {
    /// This one, or an error.
    Fixed(u16),
    /// The first free one from here on. Where it begins makes no difference to the spec.
    From(#[serde(skip)] u16),
}

/// What a workload may use; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u32>,
    pub memory: Option<ByteSize>,
    pub gpus: Option<u32>,
    pub shm_size: Option<ByteSize>,
}

/// How the engine finds out whether a service works; for other people's tools, wharf asks itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// A program of the container and its arguments; no shell.
    pub command: Vec<String>,
    pub interval_secs: u32,
    pub timeout_secs: u32,
    /// Failures do not count for so long after the start.
    pub start_period_secs: u32,
}

/// What happens when the process ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    No,
    UnlessStopped,
}

/// How tightly the container is shut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hardening {
    pub capabilities: CapabilitySet,
    /// Read-only root file system, with a small tmpfs at `/tmp`.
    pub read_only_root: bool,
    /// Most processes and threads.
    pub pids: u32,
}

impl Default for Hardening {
    fn default() -> Self {
        Self { capabilities: CapabilitySet::Reduced, read_only_root: false, pids: 4096 }
    }
}

impl Hardening {
    /// Returns the settings for images that hold a static server and a model only.
    pub fn native() -> Self {
        Self { capabilities: CapabilitySet::None, read_only_root: true, pids: 512 }
    }
}

/// Which of Linux's capabilities are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CapabilitySet {
    None,
    /// The engine's default without what machine learning never needs.
    Reduced,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        let id = WorkloadId {
            project: "default".parse().unwrap(),
            name: "iris".parse().unwrap(),
            generation: 1,
        };
        Workload::new(id, WorkloadKind::Service, "iris:1")
    }

    fn port(host: HostPort) -> Port {
        Port { container: 8080, host, address: [127, 0, 0, 1].into() }
    }

    #[test]
    fn generation_attempt_and_labels_do_not_count() {
        let mut other = workload();
        other.id.generation = 2;
        other.attempt = 3;
        other.labels.insert("wharf.seal".to_owned(), "x".to_owned());
        assert_eq!(workload().spec_digest(), other.spec_digest());
    }

    #[test]
    fn a_chosen_port_does_not_count_and_a_fixed_one_does() {
        let with = |host| Workload { ports: vec![port(host)], ..workload() }.spec_digest();
        assert_eq!(with(HostPort::From(8080)), with(HostPort::From(9000)));
        assert_ne!(with(HostPort::Fixed(8080)), with(HostPort::Fixed(9000)));
        assert_ne!(with(HostPort::Fixed(8080)), with(HostPort::From(8080)));
    }
}
