//! What an engine says about a workload. Derived from the engine each time, never stored.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use crate::workload::{WorkloadId, WorkloadKind};

/// Where a workload stands in its life, as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Made, not started yet.
    Pending,
    Running,
    /// It ended by itself and the engine tries again, with growing pauses.
    Restarting,
    /// Ended because it was asked to.
    Stopped,
    /// Ended by itself with code 0.
    Succeeded,
    /// Ended by itself with another code, or never came up.
    Failed,
}

/// What the engine's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// There is no check, or the engine does not run it.
    Unknown,
    Starting,
    Healthy,
    Unhealthy,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// 128 + the signal's number when a signal ended it.
    pub code: i64,
    /// Whether it went over its memory limit.
    pub out_of_memory: bool,
    /// The engine's words when the process could not be started.
    pub error: Option<String>,
}

impl Exit {
    /// Returns an end with this code and nothing else to say.
    pub const fn with_code(code: i64) -> Self {
        Self { code, out_of_memory: false, error: None }
    }

    /// Returns what the code means, for people; `None` where it is the program's own.
    pub fn meaning(&self) -> Option<&'static str> {
        if self.out_of_memory && self.code != 0 {
            return Some("it went over its memory limit");
        }
        match self.code {
            126 => Some("the command cannot be run"),
            127 => Some("there is no such command in the image"),
            137 => Some("it was killed"),
            139 => Some("it crashed (segmentation fault)"),
            143 => Some("it was asked to end"),
            _ => None,
        }
    }
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub container_port: u16,
    pub host_port: u16,
    /// The host's address on which it listens.
    pub address: IpAddr,
}

/// One workload, as the engine sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: WorkloadId,
    pub attempt: u32,
    pub kind: WorkloadKind,
    pub phase: Phase,
    pub health: Health,
    pub exit: Option<Exit>,
    /// What the engine runs: a reference or an image id.
    pub image: String,
    pub endpoints: Vec<Endpoint>,
    pub restarts: u32,
    /// RFC 3339, UTC.
    pub created: Option<String>,
    /// RFC 3339, UTC.
    pub started: Option<String>,
    /// All labels, wharf's and others'; believed only where the seal holds.
    pub labels: BTreeMap<String, String>,
    /// The engine's own id of it.
    pub handle: String,
}
