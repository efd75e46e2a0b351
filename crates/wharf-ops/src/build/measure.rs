//! The digests of layers: what is known is not read for them, and the rest is read several layers at once.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use wharf_model::known::KnownFiles as _;
use wharf_oci::{
    error::Result,
    layer::{Content, Entry, Layer, Measure, Mode},
};
use wharf_spec::{digest::Digest, stamp::Stamp};

use super::key;
use crate::cache::{FileCache, KnownLayer};

/// How many layers are read at once.
const PARALLEL: usize = 4;

/// Measures layers. Blocks: call it on a thread of its own.
///
/// # Errors
/// When a file cannot be read, or changes meanwhile.
pub(super) fn all(cache: &FileCache, layers: Vec<Layer>) -> Result<Vec<Layer>> {
    let next = AtomicUsize::new(0);
    let measures: Vec<_> = layers.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(layer) = layers.get(at) else { break };
            let measure = one(cache, layer);
            *measures[at].lock().expect("nobody panics with it") = Some(measure);
        }
    };
    thread::scope(|scope| {
        for _ in 1..PARALLEL.min(layers.len()) {
            scope.spawn(work);
        }
        work();
    });
    let measured = |(layer, measure): (Layer, Mutex<Option<Result<Measure>>>)| {
        let measure = measure.into_inner().expect("nobody panics with it");
        Ok(layer.measured(measure.expect("every layer was taken")?))
    };
    layers.into_iter().zip(measures).map(measured).collect()
}

fn one(cache: &FileCache, layer: &Layer) -> Result<Measure> {
    let recipe = Recipe::of(cache, layer);
    if let Some(Recipe { key, stamps }) = &recipe
        && let Some(KnownLayer { digest, size }) = cache.layer(key)
    {
        return Ok(Measure { digest, size, stamps: stamps.clone() });
    }
    let measure = layer.measure()?;
    cache.count(files(layer).map(|entry| entry.content.size()).sum());
    if let Some(Recipe { key, stamps }) = recipe
        && stamps == measure.stamps
    {
        cache.keep_layer(&key, KnownLayer { digest: measure.digest, size: measure.size });
    }
    Ok(measure)
}

/// What decides about the bytes of a layer, known without reading any file.
struct Recipe {
    key: Digest,
    stamps: Vec<Option<Stamp>>,
}

impl Recipe {
    /// Returns nothing where a file is not known, or where there is none: then reading costs nothing.
    fn of(cache: &FileCache, layer: &Layer) -> Option<Self> {
        files(layer).next()?;
        let mut parts = Vec::with_capacity(layer.entries().len());
        let mut stamps = Vec::with_capacity(layer.entries().len());
        for entry in layer.entries() {
            let (kind, hash, stamp) = match &entry.content {
                Content::Folder => ("folder", Digest::blake3(b""), None),
                Content::Link { target } => {
                    ("link", Digest::blake3(target.as_os_str().as_bytes()), None)
                }
                Content::Bytes(bytes) => ("file", Digest::blake3(bytes), None),
                Content::File { path, .. } => {
                    let stamp = Stamp::of(&fs::metadata(path).ok()?);
                    ("file", cache.find(&stamp)?.hash, Some(stamp))
                }
            };
            parts.push(part(kind, entry.mode, hash, &entry.path));
            stamps.push(stamp);
        }
        Some(Self { key: recipe_key(&parts), stamps })
    }
}

/// Returns the key of a layer with one file of the disk.
pub(super) fn of_one_file(path: &str, mode: Mode, hash: Digest) -> Digest {
    recipe_key(&[part("file", mode, hash, path)])
}

fn part(kind: &str, mode: Mode, hash: Digest, path: &str) -> String {
    format!("{kind} {mode:?} {hash} {path}")
}

fn recipe_key(parts: &[String]) -> Digest {
    let parts: Vec<_> =
        [Layer::FRAMING].into_iter().chain(parts.iter().map(String::as_str)).collect();
    key(&parts)
}

fn files(layer: &Layer) -> impl Iterator<Item = &Entry> {
    layer.entries().iter().filter(|entry| matches!(entry.content, Content::File { .. }))
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        time::{Duration, SystemTime},
    };

    use super::*;

    fn cache(home: &Path) -> FileCache {
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
        FileCache::of(&home.join("cache"), Path::new("/nowhere"), later)
    }

    fn layer(path: &Path, name: &str, mode: Mode) -> Layer {
        let size = fs::metadata(path).unwrap().len();
        let content = Content::File { path: path.to_owned(), size };
        Layer::new(vec![Entry { path: name.to_owned(), mode, content }])
    }

    /// Measures layers with a cache that was just opened, as a command does after its files were hashed.
    #[track_caller]
    fn check(home: &Path, file: &Path, layers: Vec<Layer>, read: u64) {
        let expect: Vec<_> = layers.iter().map(|layer| layer.digest().unwrap()).collect();
        let cache = cache(home);
        cache.hash(file).unwrap();
        let before = cache.hashed();
        let measured = all(&cache, layers).unwrap();
        let found: Vec<_> = measured.iter().map(|layer| layer.digest().unwrap()).collect();
        assert_eq!(found, expect);
        assert_eq!(cache.hashed() - before, read);
    }

    #[test]
    fn a_layer_is_read_once_for_each_place_and_content() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "abc").unwrap();
        let here = || layer(&file, "a", Mode::Plain);
        let others =
            || vec![layer(&file, "b", Mode::Plain), layer(&file, "a", Mode::Executable), here()];
        check(home.path(), &file, vec![here()], 3);
        check(home.path(), &file, vec![here()], 0);
        check(home.path(), &file, others(), 6);
        check(home.path(), &file, others(), 0);
        // The same content in another file.
        let copy = home.path().join("copy");
        fs::copy(&file, &copy).unwrap();
        check(home.path(), &copy, vec![layer(&copy, "a", Mode::Plain)], 0);
        fs::write(&file, "abcd").unwrap();
        check(home.path(), &file, vec![here()], 4);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "abc").unwrap();
        let gone = layer(&file, "a", Mode::Plain);
        fs::remove_file(&file).unwrap();
        assert!(all(&cache(home.path()), vec![gone]).is_err());
    }
}
