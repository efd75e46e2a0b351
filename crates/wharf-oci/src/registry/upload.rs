//! Blobs into a registry: looked for, taken over from another repository, or sent, as a whole or in chunks.

use std::{
    io,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Mutex, mpsc};
use wharf_net::{
    address::Address,
    client::{Body, Method, Request, Response},
    error::NetError,
    retry,
};
use wharf_spec::digest::Digest;

use super::{
    Registry,
    error::{RegistryError, Result},
    pull, push,
};
use crate::{
    descriptor::Descriptor,
    error::{OciError, Result as OciResult},
    replay::PIECE,
};

/// The bytes of a blob, from a number of bytes on, as often as they are needed.
pub(crate) trait Source: Send + Sync {
    fn replay(&self, skip: u64) -> mpsc::Receiver<OciResult<Bytes>>;
}

/// Why an attempt to send a blob did not work; it may work when it is begun again.
enum Failure {
    Answer(Response),
    Net(NetError),
}

impl Registry {
    /// Says whether the registry has a blob in a repository.
    ///
    /// A redirect elsewhere, as registries before object stores answer, counts as "yes" and is not followed: should it
    /// be a lie, the manifest is refused.
    pub(crate) async fn has_blob(&self, repository: &str, digest: Digest) -> Result<bool> {
        let address = self.address(&format!("{repository}/blobs/{digest}"))?;
        let make = || Request::new(Method::Head, address.clone());
        let answer = self.exchange(&[push(repository)], make).await?;
        match answer.status() {
            200 | 302 | 303 | 307 | 308 => Ok(true),
            // 403: as with `resolve`.
            403 | 404 => Ok(false),
            _ => Err(self.unexpected(answer).await),
        }
    }

    /// Has a blob taken over from another repository of the registry, and says whether that worked.
    pub(crate) async fn mount(&self, repository: &str, digest: Digest, from: &str) -> Result<bool> {
        let address = self
            .uploads(repository)?
            .with_query("mount", &digest.to_string())
            .with_query("from", from);
        let make = || Request::new(Method::Post, address.clone());
        let scopes = [push(repository), pull(from)];
        let answer = self.exchange(&scopes, make).await?;
        match answer.status() {
            201 => Ok(true),
            // A session was opened instead, which ends by itself.
            202 | 404 => Ok(false),
            // Who may not read the other repository sends the blob.
            401 | 403 => Ok(false),
            _ => Err(self.unexpected(answer).await),
        }
    }

    /// Sends a blob.
    pub(crate) async fn upload(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        source: &dyn Source,
    ) -> Result<()> {
        let blob = Blob::new(descriptor, source);
        let mut attempt = 1;
        loop {
            let failure = if self.wants_chunks.load(Ordering::Relaxed) {
                self.send_chunks(repository, &blob).await?
            } else {
                self.send_whole(repository, &blob).await?
            };
            let Some(failure) = failure else { return Ok(()) };
            if let Some(error) = blob.failure() {
                return Err(RegistryError::Image(error));
            }
            let (is_passing, wait) = match &failure {
                Failure::Answer(answer)
                    if answer.status() == 413
                        && !self.wants_chunks.swap(true, Ordering::Relaxed) =>
                {
                    continue;
                }
                // 404: the session is gone.
                Failure::Answer(answer) => (
                    answer.status() == 404 || retry::is_passing(answer.status()),
                    answer.header("retry-after"),
                ),
                Failure::Net(error) => (error.is_passing(), None),
            };
            if !is_passing || attempt == retry::ATTEMPTS {
                return Err(match failure {
                    Failure::Answer(answer) => self.unexpected(answer).await,
                    Failure::Net(error) => self.network("answer", error),
                });
            }
            tokio::time::sleep(retry::pause(attempt, wait)).await;
            attempt += 1;
        }
    }

    fn uploads(&self, repository: &str) -> Result<Address> {
        self.address(&format!("{repository}/blobs/uploads/"))
    }

    /// Opens an upload session, and returns its address.
    async fn open(&self, repository: &str) -> Result<Address> {
        let address = self.uploads(repository)?;
        let make = || Request::new(Method::Post, address.clone());
        let answer = self.exchange(&[push(repository)], make).await?;
        let answer = self.expect(answer, &[202]).await?;
        self.location(&answer, "upload")
    }

    async fn send_whole(&self, repository: &str, blob: &Blob<'_>) -> Result<Option<Failure>> {
        let session = self.open(repository).await?;
        let address = session.with_query("digest", &blob.descriptor.digest.to_string());
        let make = || {
            Request::new(Method::Put, address.clone())
                .header("content-type", "application/octet-stream")
                .body(blob.part(0, blob.descriptor.size))
        };
        Ok(finished(self.ask(&[push(repository)], make).await?))
    }

    /// Sends chunk after chunk. After a break it goes on where the registry says that it is.
    async fn send_chunks(&self, repository: &str, blob: &Blob<'_>) -> Result<Option<Failure>> {
        let mut session = self.open(repository).await?;
        let total = blob.descriptor.size;
        let chunk = self.chunk.next_multiple_of(PIECE as u64);
        let (mut at, mut breaks) = (0, 0);
        while at < total {
            let size = chunk.min(total - at);
            match self.send_chunk(repository, &session, blob, at, size).await? {
                Ok(answer) if matches!(answer.status(), 201 | 202) => {
                    session = self.location(&answer, "upload")?;
                    at += size;
                }
                Ok(answer) => return Ok(Some(Failure::Answer(answer))),
                Err(error) if error.is_passing() && breaks < retry::ATTEMPTS => {
                    breaks += 1;
                    tokio::time::sleep(retry::pause(breaks, None)).await;
                    let Some(confirmed) = self.confirmed(repository, &session).await? else {
                        return Ok(Some(Failure::Net(error)));
                    };
                    session = confirmed.0;
                    at = confirmed.1.min(total);
                }
                Err(error) => return Ok(Some(Failure::Net(error))),
            }
        }
        let address = session.with_query("digest", &blob.descriptor.digest.to_string());
        let make = || Request::new(Method::Put, address.clone()).body(Body::Bytes(Bytes::new()));
        Ok(finished(self.ask(&[push(repository)], make).await?))
    }

    async fn send_chunk(
        &self,
        repository: &str,
        session: &Address,
        blob: &Blob<'_>,
        at: u64,
        size: u64,
    ) -> Result<Result<Response, NetError>> {
        let make = || {
            Request::new(Method::Patch, session.clone())
                .header("content-type", "application/octet-stream")
                .header("content-range", &format!("{at}-{}", at + size - 1))
                .body(blob.part(at, size))
        };
        self.ask(&[push(repository)], make).await
    }

    /// Asks an upload session how much of the blob it has; `None` when the session is gone.
    async fn confirmed(
        &self,
        repository: &str,
        session: &Address,
    ) -> Result<Option<(Address, u64)>> {
        let make = || Request::new(Method::Get, session.clone());
        let answer = self.exchange(&[push(repository)], make).await?;
        if answer.status() != 204 {
            return Ok(None);
        }
        // `0-N` is N + 1 bytes; `0-0` is nothing as often as one byte.
        let last = answer.header("range").and_then(|range| range.rsplit('-').next()?.parse().ok());
        let offset = last.filter(|last| *last > 0).map_or(0, |last: u64| last.saturating_add(1));
        Ok(Some((self.location(&answer, "upload")?, offset)))
    }
}

fn finished(answer: Result<Response, NetError>) -> Option<Failure> {
    match answer {
        Ok(answer) if answer.status() == 201 => None,
        Ok(answer) => Some(Failure::Answer(answer)),
        Err(error) => Some(Failure::Net(error)),
    }
}

/// A blob that is being sent, part after part of one replay where that can be.
struct Blob<'a> {
    descriptor: &'a Descriptor,
    source: &'a dyn Source,
    /// Where in the blob `rest` is.
    at: AtomicU64,
    rest: StdMutex<Rest>,
    failure: Arc<StdMutex<Option<OciError>>>,
}

/// The bytes that are still to come.
type Rest = Arc<Mutex<mpsc::Receiver<OciResult<Bytes>>>>;

impl<'a> Blob<'a> {
    fn new(descriptor: &'a Descriptor, source: &'a dyn Source) -> Self {
        let rest = Arc::new(Mutex::new(source.replay(0)));
        Self {
            descriptor,
            source,
            at: AtomicU64::new(0),
            rest: StdMutex::new(rest),
            failure: Arc::default(),
        }
    }

    /// Returns a body of these bytes. A part that is sent again is read again.
    fn part(&self, at: u64, size: u64) -> Body {
        let rest = {
            let mut rest = self.rest.lock().expect("nobody panics with it");
            if self.at.swap(at + size, Ordering::Relaxed) != at {
                *rest = Arc::new(Mutex::new(self.source.replay(at)));
            }
            rest.clone()
        };
        let failure = self.failure.clone();
        let pieces = stream::unfold((rest, failure, size), async |(rest, failure, left)| {
            if left == 0 {
                return None;
            }
            let piece = match rest.lock().await.recv().await? {
                Ok(piece) => Ok(piece),
                Err(error) => {
                    *failure.lock().expect("nobody panics with it") = Some(error);
                    Err(io::ErrorKind::InvalidData.into())
                }
            };
            let left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            Some((piece, (rest, failure, left)))
        });
        Body::Stream { size, pieces: Box::pin(pieces) }
    }

    /// Takes why the image could not be read, if that is what went wrong.
    fn failure(&self) -> Option<OciError> {
        self.failure.lock().expect("nobody panics with it").take()
    }
}
