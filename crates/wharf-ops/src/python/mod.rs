//! Python packages without a container: a lock of what requirements lead to, wheels in a cache, private environments.
//!
//! ```text
//! requirements ─ uv ─▶ wharf.lock ─ choose(target) ─▶ wheels in the cache ─▶ layers of an image
//!                                                                         └▶ an environment of `wharf serve`
//! ```
//! - [`index`]: where packages come from, and how passwords stay apart;
//! - [`uv`]: the resolver, found or fetched; [`resolve`]: requirements → lock;
//! - [`lock`]: the file; [`marker`]: which package belongs where; [`target`], [`tags`], [`choose`]: which wheel fits;
//! - [`http`], [`simple`], [`wheels`]: files from indexes and folders, into the cache;
//! - [`environment`]: an interpreter with exactly these wheels.

pub mod index;

pub mod lock;

pub mod marker;

pub mod target;

pub mod tags;

pub mod choose;

pub mod resolve;

mod http;

pub mod simple;

pub mod wheels;

pub mod uv;

pub mod environment;

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;
use wharf_net::client::Client;
use wharf_spec::secret::Secret;

use self::index::Indexes;
use crate::context::Reporter;

/// What packages are got with: everything of the outside world that this takes.
#[derive(Debug, Clone)]
pub struct Packages {
    pub indexes: Indexes,
    /// With the certificates and proxies of this machine.
    pub client: Client,
    /// A bundle of certificates that `uv` is told to use.
    pub ca_bundle: Option<PathBuf>,
    /// wharf's own folder among the user's caches.
    pub cache: PathBuf,
    /// The variables of programs that are run.
    pub environment: Secret<Vec<(OsString, OsString)>>,
    /// `uv`, where PATH has one.
    pub uv: Option<PathBuf>,
    pub network: Network,
    pub reporter: Arc<dyn Reporter>,
    pub cancel: CancellationToken,
    /// Further addresses whose credentials may be used for their own origin.
    pub signed: Vec<Secret<String>>,
}

/// Whether other machines may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Allowed,
    Forbidden,
}
