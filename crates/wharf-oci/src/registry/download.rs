//! Blobs out of a registry: passed on in pieces, gone on with where the line broke, checked at the end.
//!
//! Registries often keep blobs elsewhere and send whoever asks there. wharf follows to hosts that belong to the
//! registry or that the user allowed, encrypted, and without any proof of who asks.

use std::sync::Arc;

use tokio::runtime::Handle;
use wharf_net::{
    address::Address,
    client::{Method, Reach, Request, Response},
    retry,
};
use wharf_spec::digest::Digest;

use super::{MAX_REDIRECTS, Registry, error::Result, pull};
use crate::{
    blob::{Blob, Checked},
    descriptor::Descriptor,
    error::{OciError, Result as OciResult},
};

/// Registries, and the ends of the names of hosts where they are known to keep blobs.
const STORAGE: [(&str, &str); 4] = [
    ("docker.io", ".docker.com"),
    ("docker.io", ".r2.cloudflarestorage.com"),
    ("ghcr.io", ".githubusercontent.com"),
    ("quay.io", ".quay.io"),
];

/// What errors call such a host; their hint names the flag for it.
const STORAGE_OF_BLOBS: &str = "storage of blobs";

/// A blob of a registry's repository.
#[derive(Debug)]
pub struct RemoteBlob {
    registry: Arc<Registry>,
    repository: String,
    descriptor: Descriptor,
    runtime: Handle,
}

impl RemoteBlob {
    /// Returns the blob; nothing is asked yet. Must be called within the runtime that will fetch it.
    pub fn new(registry: Arc<Registry>, repository: &str, descriptor: Descriptor) -> Self {
        let (repository, runtime) = (repository.to_owned(), Handle::current());
        Self { registry, repository, descriptor, runtime }
    }

    /// Passes on bytes until the end, or until the line breaks.
    fn go_on(&self, checked: &mut Checked<'_>) -> OciResult<()> {
        let at = checked.at();
        let asking = self.registry.download(&self.repository, self.descriptor.digest, at);
        let (mut answer, begins) = self.runtime.block_on(asking).map_err(fetching)?;
        let mut skip = at - begins;
        loop {
            // Waiting and writing take turns: a writer that waits for its reader must not hold up the runtime.
            let piece = self.runtime.block_on(answer.piece());
            let piece = piece.map_err(|error| fetching(self.registry.network("blob", error)))?;
            let Some(piece) = piece else { return Ok(()) };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            skip -= skipped as u64;
            checked.write(&piece[skipped..])?;
        }
    }
}

impl Blob for RemoteBlob {
    fn write(&self, writer: &mut dyn std::io::Write) -> OciResult<()> {
        let mut checked = Checked::new(&self.descriptor, writer);
        let (mut attempt, mut reached) = (1, 0);
        loop {
            let error = match self.go_on(&mut checked) {
                Ok(()) => return checked.finish(),
                Err(error) => error,
            };
            if checked.at() > reached {
                (attempt, reached) = (1, checked.at());
            }
            if !is_passing(&error) || attempt == retry::ATTEMPTS {
                return Err(error);
            }
            let pause = retry::pause(attempt, None);
            self.runtime.block_on(async { tokio::time::sleep(pause).await });
            attempt += 1;
        }
    }
}

fn fetching(error: super::error::RegistryError) -> OciError {
    OciError::Fetch(Box::new(error))
}

fn is_passing(error: &OciError) -> bool {
    use super::error::RegistryError::Network;
    matches!(error, OciError::Fetch(error) if matches!(&**error, Network { source, .. } if source.is_passing()))
}

impl Registry {
    /// Asks for a blob from a number of bytes on, and returns the answer with the number that it begins at: that one,
    /// or 0.
    pub(super) async fn download(
        &self,
        repository: &str,
        digest: Digest,
        from: u64,
    ) -> Result<(Response, u64)> {
        let mut address = self.address(&format!("{repository}/blobs/{digest}"))?;
        for _ in 0..=MAX_REDIRECTS {
            let make = || {
                let request = Request::new(Method::Get, address.clone());
                if from == 0 { request } else { request.header("range", &format!("bytes={from}-")) }
            };
            let answer = if address.origin() == self.base.origin() {
                self.exchange(&[pull(repository)], make).await?
            } else {
                self.elsewhere(make).await?
            };
            match answer.status() {
                200 => return Ok((answer, 0)),
                206 => {
                    let range = answer.header("content-range").unwrap_or_default();
                    if from > 0 && range.starts_with(&format!("bytes {from}-")) {
                        return Ok((answer, from));
                    }
                    return Err(
                        self.answer("part of a blob", "it is not the part that was asked for")
                    );
                }
                300..400 => address = self.storage(&answer)?,
                _ => return Err(self.unexpected(answer).await),
            }
        }
        Err(self.answer("redirect", "it leads round and round"))
    }

    /// Returns where the registry says that a blob is: at its own origin, or a host for its blobs.
    fn storage(&self, answer: &Response) -> Result<Address> {
        let what = STORAGE_OF_BLOBS;
        let Some(location) = answer.header("location") else {
            return Err(self.answer(what, "its address is missing"));
        };
        let to = answer.address().join(location).map_err(|error| self.answer(what, error))?;
        let is_of_registry = || {
            let mut known = STORAGE.iter();
            known.any(|(of, end)| *of == self.host.as_str() && to.host().ends_with(end))
        };
        if to.is_https() && (self.is_allowed(&to) || is_of_registry()) {
            return Ok(to);
        }
        self.own(&to, what)?;
        Ok(to)
    }

    /// Says whether the user named a host for blobs, which may then be anywhere.
    fn is_allowed(&self, address: &Address) -> bool {
        self.storage_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(address.host()))
    }

    /// Asks a host for blobs, which is not told who asks.
    async fn elsewhere(&self, make: impl Fn() -> Request) -> Result<Response> {
        let mut attempt = 1;
        loop {
            let request = make();
            let reach =
                if self.is_allowed(request.address()) { Reach::Anywhere } else { Reach::Public };
            let sent = self.client.send(request.reach(reach)).await;
            let pause = match &sent {
                Ok(answer) if retry::is_passing(answer.status()) => {
                    retry::pause(attempt, answer.header("retry-after"))
                }
                Err(error) if error.is_passing() => retry::pause(attempt, None),
                _ => return sent.map_err(|error| self.network(STORAGE_OF_BLOBS, error)),
            };
            if attempt == retry::ATTEMPTS {
                return sent.map_err(|error| self.network(STORAGE_OF_BLOBS, error));
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}
