//! What should run, who says so, and its history: records behind compare-and-set, under a lease.
//!
//! The engine is the truth about what runs; a store is the truth about what was asked for. Losing the records
//! loses history, not control: labels carry the rest, and the store's key tells which labels to believe.

pub mod folder;

pub mod record;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use wharf_spec::{
    name::{ProjectName, WorkloadName},
    seal::SealKey,
};

use crate::{error::Result, store::record::DeploymentRecord};

/// The id of a store: 16 random bytes in hex. A label on everything that was made through it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreId(pub String);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version of a record, for compare-and-set; opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(crate) String);

/// Which record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName {
    pub project: ProjectName,
    pub name: WorkloadName,
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.name)
    }
}

/// Where records are kept: a folder now; an object store and a database later.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    fn id(&self) -> &StoreId;

    /// The key of [`wharf_spec::seal`]; it belongs to the store, not to the machine.
    fn seal_key(&self) -> &SealKey;

    /// For people: where it is.
    fn place(&self) -> String;

    /// Returns a record and its version; `None` when there is none.
    async fn read(&self, name: &RecordName) -> Result<Option<(DeploymentRecord, Version)>>;

    /// Writes a record if its version is still `expected` (`None`: if there is none), all of it or nothing.
    async fn write(
        &self,
        name: &RecordName,
        record: &DeploymentRecord,
        expected: Option<&Version>,
    ) -> Result<Version>;

    /// Removes a record; one that is not there is as wished.
    async fn remove(&self, name: &RecordName) -> Result<()>;

    async fn list(&self) -> Result<Vec<RecordName>>;

    /// Takes the right to change a record. Waits for another holder at most so long.
    ///
    /// # Errors
    /// `LEASE_HELD` when the other one still holds it then; the message says who it is.
    async fn lease(&self, name: &RecordName, patience: Duration) -> Result<Lease>;
}

/// The right to change a record; given back when dropped, and when its process dies.
#[derive(Debug)]
pub struct Lease {
    pub(crate) _held: folder::HeldLock,
}
