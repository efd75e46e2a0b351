//! What an engine can honour. Data, not code: it is printed, compared and tested.

use wharf_spec::workload::{Resources, Workload, WorkloadKind};

/// What an engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    pub jobs: bool,
    pub gpus: bool,
    pub max_replicas: u32,
    /// Whether limits of CPU and memory are really enforced; rootless engines on cgroup v1 do not.
    pub limits: bool,
    /// Whether a folder of this machine can be mounted.
    pub mounts: bool,
    /// Who replaces a running service by its new version.
    pub rolling_update: RollingUpdate,
}

/// Who replaces a running service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollingUpdate {
    Engine,
    Ops,
}

/// A field of a workload that an engine cannot honour, and what to use instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    pub field: &'static str,
    pub instead: &'static str,
}

impl Capabilities {
    /// Returns every field that would have to be dropped. Empty means: go on.
    pub fn missing_for(&self, workload: &Workload) -> Vec<Unsupported> {
        // No `..` here: a new field does not compile until someone decides about it.
        let Workload {
            id: _,
            attempt: _,
            kind,
            image: _,
            image_digest: _,
            command: _,
            env: _,
            mounts,
            ports: _,
            resources: Resources { cpu_millis, memory, gpus, shm_size: _ },
            health: _,
            restart: _,
            replicas,
            hardening: _,
            grace_secs: _,
            labels: _,
        } = workload;
        let limited = cpu_millis.is_some() || memory.is_some();
        let checks = [
            (*kind == WorkloadKind::Job && !self.jobs, "kind", "`docker` for jobs"),
            (*replicas > self.max_replicas, "replicas", "one replica on this engine"),
            (limited && !self.limits, "resources", "an engine that runs as root, or cgroup v2"),
            (gpus.is_some() && !self.gpus, "resources.gpus", "an engine with a GPU runtime"),
            (!mounts.is_empty() && !self.mounts, "mounts", "an engine of this machine"),
        ];
        checks
            .into_iter()
            .filter(|(missing, ..)| *missing)
            .map(|(_, field, instead)| Unsupported { field, instead })
            .collect()
    }
}
