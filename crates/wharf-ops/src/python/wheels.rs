//! Wheels into the cache: `wheels/sha256/DIGEST/NAME`, which is there only when its hash was right.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use wharf_net::{address::Address, error::NetError};
use wharf_spec::{
    codes,
    digest::{Algorithm, Digest},
    event::Event,
};

use super::{
    Network, Packages,
    choose::Chosen,
    http::{FetchError, Http},
    index,
    lock::{Place, Wheel},
    tags::WheelName,
};
use crate::{
    context::cancelled,
    error::{Error, Result},
};

/// How many wheels are downloaded at once.
const PARALLEL: usize = 4;

/// The largest wheel whose size nobody says, in bytes.
const LARGEST: u64 = 16 << 30;

/// A wheel of a lock that lies in the cache, with the right hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedWheel {
    /// The name of its package.
    pub name: String,
    pub version: String,
    pub file_name: WheelName,
    pub sha256: Digest,
    pub path: PathBuf,
}

impl Packages {
    /// Brings chosen wheels into the cache; what is there is not fetched. `beside` is the folder of the lock.
    ///
    /// # Errors
    /// When one cannot be had, or is not the one that was locked.
    pub async fn wheels(&self, chosen: &[Chosen<'_>], beside: &Path) -> Result<Vec<LockedWheel>> {
        let missing: Vec<_> = chosen
            .iter()
            .map(|one| one.wheel)
            .filter(|wheel| !self.cached(wheel).is_file())
            .collect();
        let meter = Meter::new(missing.iter().filter_map(|wheel| wheel.size).sum());
        if !missing.is_empty() {
            let what = match missing.as_slice() {
                [only] => format!("getting {}", only.name),
                _ => format!("getting {} wheels", missing.len()),
            };
            self.reporter.report(Event::Started { what });
        }
        let fetches: Vec<_> =
            chosen.iter().map(|one| self.locked_wheel(one, beside, &meter)).collect();
        let all = stream::iter(fetches).buffered(PARALLEL).try_collect();
        tokio::select! {
            all = all => all,
            () = self.cancel.cancelled() => Err(cancelled()),
        }
    }

    async fn locked_wheel(
        &self,
        one: &Chosen<'_>,
        beside: &Path,
        meter: &Meter,
    ) -> Result<LockedWheel> {
        let Chosen { package, wheel } = one;
        Ok(LockedWheel {
            name: package.name.clone(),
            version: package.version.clone(),
            file_name: wheel.name.clone(),
            sha256: wheel.sha256,
            path: self.wheel(wheel, beside, meter).await?,
        })
    }

    /// Returns where a wheel lies in the cache, or would.
    fn cached(&self, wheel: &Wheel) -> PathBuf {
        self.cache.join("wheels/sha256").join(wheel.sha256.hex()).join(wheel.name.as_str())
    }

    /// Brings one wheel into the cache.
    pub(super) async fn wheel(
        &self,
        wheel: &Wheel,
        beside: &Path,
        meter: &Meter,
    ) -> Result<PathBuf> {
        let target = self.cached(wheel);
        if target.is_file() {
            return Ok(target);
        }
        let folder = target.parent().expect("a file in a folder");
        fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
        if let Some(local) = self.local(wheel, beside) {
            let (wheel, place) = (wheel.clone(), target.clone());
            let copied = tokio::task::spawn_blocking(move || copy(&wheel, &local, &place)).await;
            copied.map_err(|panic| {
                Error::new(codes::BUG, "copying a wheel failed").because(panic)
            })??;
            return Ok(target);
        }
        let address = self.address(wheel)?;
        self.download(wheel, &address, &target, meter).await?;
        Ok(target)
    }

    /// Returns the file of this machine that a wheel can be copied from.
    fn local(&self, wheel: &Wheel, beside: &Path) -> Option<PathBuf> {
        let named = match &wheel.place {
            Place::Url(url) => index::local_path(url),
            Place::Path(path) => Some(beside.join(path)),
        };
        let folders = self.indexes.folders();
        let found = folders.iter().map(|folder| folder.join(wheel.name.as_str()));
        named.into_iter().chain(found).find(|path| path.is_file())
    }

    fn address(&self, wheel: &Wheel) -> Result<Address> {
        let Wheel { name, place, .. } = wheel;
        match place {
            Place::Url(url) if url.starts_with("http") => {
                if self.network == Network::Forbidden {
                    let action = format!("`{name}` is not in the cache, and `--offline` forbids to download it");
                    return Err(Error::new(codes::PACKAGE_FETCH, action)
                        .hint("run the command once without `--offline`, or put the file into a folder that PIP_FIND_LINKS names"));
                }
                url.parse().map_err(|error: NetError| Error::new(codes::LOCK_DAMAGED, format!("`wharf.lock` has no usable address of `{name}`")).because(error))
            }
            Place::Url(place) | Place::Path(place) => {
                Err(Error::new(codes::PACKAGE_FETCH, format!("`{name}` is not there: `{place}`"))
                    .hint("put the file into a folder that PIP_FIND_LINKS names, or lock again: `wharf lock MODEL --upgrade`"))
            }
        }
    }

    async fn download(
        &self,
        wheel: &Wheel,
        address: &Address,
        target: &Path,
        meter: &Meter,
    ) -> Result<()> {
        let failed = |error: FetchError| not_fetched(wheel, error);
        let http = self.http();
        let mut partial =
            Partial::open(target).await.map_err(|error| Error::file("write", target, error))?;
        if target.is_file() {
            // Somebody else brought it while we waited.
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            let resumed = partial.size > 0;
            let received = partial.receive(&http, address, wheel.size, self, meter).await;
            match received {
                Ok(()) if partial.digest() == wheel.sha256 => break,
                Ok(()) if resumed => partial.reset().await.map_err(|error| failed(error.into()))?,
                Ok(()) => {
                    partial.remove();
                    return Err(changed(wheel, address.to_string(), partial.digest()));
                }
                Err(error) => {
                    let Some(pause) = error.pause(attempt) else { return Err(failed(error)) };
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
            }
        }
        partial.keep(target).await.map_err(|error| Error::file("write", target, error))
    }

    pub(super) fn http(&self) -> Http<'_> {
        let indexes = self.indexes.addresses();
        Http::new(
            &self.client,
            indexes.chain(self.signed.iter().map(|address| address.expose().as_str())),
        )
    }
}

/// Counts what all downloads of a command have received.
pub(super) struct Meter {
    size: u64,
    received: std::sync::atomic::AtomicU64,
}

impl Meter {
    pub(super) fn new(size: u64) -> Self {
        Self { size, received: std::sync::atomic::AtomicU64::new(0) }
    }

    fn add(&self, bytes: u64, packages: &Packages) {
        let received = self.received.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes;
        packages.reporter.report(Event::Fetching { received, size: self.size });
    }
}

/// A file that is being received. Only one process goes on with it; others receive for themselves.
struct Partial {
    file: tokio::fs::File,
    path: PathBuf,
    hash: Sha256,
    size: u64,
}

impl Partial {
    /// Opens what an earlier download left, and hashes it.
    async fn open(target: &Path) -> io::Result<Self> {
        let shared = target.with_extension("partial");
        let own = target.with_extension(format!("{}.partial", std::process::id()));
        let options = || {
            let mut options = fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options
        };
        let file = options().open(&shared)?;
        let (file, path) = match file.try_lock() {
            Ok(()) => (file, shared),
            Err(_) => (options().truncate(true).open(&own)?, own),
        };
        let mut partial =
            Self { file: tokio::fs::File::from_std(file), path, hash: Sha256::new(), size: 0 };
        let mut piece = vec![0; 256 << 10];
        loop {
            let count = partial.file.read(&mut piece).await?;
            if count == 0 {
                return Ok(partial);
            }
            partial.hash.update(&piece[..count]);
            partial.size += count as u64;
        }
    }

    /// Receives what is missing.
    async fn receive(
        &mut self,
        http: &Http<'_>,
        address: &Address,
        size: Option<u64>,
        packages: &Packages,
        meter: &Meter,
    ) -> Result<(), FetchError> {
        if size.is_some_and(|size| self.size > size) {
            self.reset().await?;
        }
        if size == Some(self.size) {
            return Ok(());
        }
        let range = format!("bytes={}-", self.size);
        let headers: &[(&str, &str)] = if self.size > 0 { &[("range", &range)] } else { &[] };
        let mut answer = match http.get(address, headers).await {
            Err(error) if error.status() == Some(416) => {
                self.reset().await?;
                http.get(address, &[]).await?
            }
            answer => answer?,
        };
        let begins = format!("bytes {}-", self.size);
        let goes_on = answer.status() == 206
            && answer.header("content-range").is_some_and(|range| range.starts_with(&begins));
        if self.size > 0 && !goes_on {
            self.reset().await?;
        }
        let limit = size.unwrap_or(LARGEST);
        while let Some(piece) = answer.piece().await? {
            if piece.len() as u64 > limit - self.size {
                return Err(FetchError::TooLarge { url: address.to_string(), size: limit });
            }
            // A piece is some kilobytes: hashing it here takes no longer than writing it.
            self.hash.update(&piece);
            self.file.write_all(&piece).await?;
            self.size += piece.len() as u64;
            meter.add(piece.len() as u64, packages);
        }
        self.file.flush().await?;
        Ok(())
    }

    async fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(0).await?;
        self.file.seek(io::SeekFrom::Start(0)).await?;
        (self.hash, self.size) = (Sha256::new(), 0);
        Ok(())
    }

    fn digest(&self) -> Digest {
        sha256(self.hash.clone())
    }

    fn remove(&self) {
        fs::remove_file(&self.path).ok();
    }

    /// Makes the file visible under its name.
    async fn keep(self, target: &Path) -> io::Result<()> {
        self.file.sync_all().await?;
        tokio::fs::rename(&self.path, target).await
    }
}

fn sha256(hash: Sha256) -> Digest {
    Digest::new(Algorithm::Sha256, hash.finalize().into())
}

/// Copies a file of this machine into the cache.
fn copy(wheel: &Wheel, from: &Path, to: &Path) -> Result<()> {
    let failed = |error| Error::file("copy", from, error);
    let folder = to.parent().expect("a file in a folder");
    let mut source = fs::File::open(from).map_err(failed)?;
    let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = io::Read::read(&mut source, &mut piece).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        io::Write::write_all(&mut copy, &piece[..count]).map_err(failed)?;
    }
    let found = sha256(hash);
    if found != wheel.sha256 {
        return Err(changed(wheel, from.display().to_string(), found));
    }
    copy.as_file().sync_all().map_err(failed)?;
    copy.persist(to).map_err(|error| failed(error.error))?;
    Ok(())
}

fn changed(wheel: &Wheel, place: String, found: Digest) -> Error {
    let Wheel { name, sha256, .. } = wheel;
    Error::new(codes::PACKAGE_CHANGED, format!("`{name}` is not the file that was locked"))
        .with_excerpt(format!("  | from    {place}\n  | locked  {sha256}\n  | found   {found}"))
        .hint("find out who changed it; if the new file is right, lock again: `wharf lock MODEL --upgrade`")
}

fn not_fetched(wheel: &Wheel, error: FetchError) -> Error {
    if let FetchError::Write(source) = error {
        return Error::file("write", Path::new(wheel.name.as_str()), source);
    }
    let denied = matches!(error.status(), Some(401 | 403));
    let hint = if denied {
        "name user and password in the index's address: `PIP_INDEX_URL=https://USER:PASSWORD@HOST/simple`"
    } else {
        "try again: what was received is kept; a proxy is named in HTTPS_PROXY, certificates in SSL_CERT_FILE"
    };
    Error::new(codes::PACKAGE_FETCH, format!("could not download `{}`", wheel.name))
        .because(error)
        .hint(hint)
}
