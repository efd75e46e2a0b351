//! What was learned of files, layers and images of engines, kept from one command to the next: unchanged files are not even read.
//!
//! As in git's index, a file is known by what its file system says of it ([`Stamp`]). Nothing is believed of a file
//! that was changed while or just before it was read, or that lies where states of files are not reliable. What one
//! build of wharf learned, another one does not believe.

mod log;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wharf_model::known::{KnownFiles, Learned};
use wharf_spec::{
    digest::{Algorithm, Digest},
    stamp::Stamp,
};

use self::log::{Key, Log};

/// The file in the folder of a cache; its number changes with the form of its lines.
const FILE: &str = "files.1";

/// Of a program that is not there.
const NO_PROGRAM: Stamp = Stamp { device: 0, inode: 0, size: 0, modified: 0, changed: 0 };

/// How long the facts of one file or image may be; longer ones are read again each time.
const MOST_FACTS: usize = 64 << 10;

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// What is known of files and layers. A cache that cannot be read or written is no error: all is read again.
#[derive(Debug)]
pub struct FileCache {
    path: PathBuf,
    belief: Belief,
    /// Read when something is asked for: many commands never do.
    log: OnceLock<Mutex<Log>>,
    program: Stamp,
    /// Nanoseconds since 1970, before anything was read.
    opened: i128,
    hashed: AtomicU64,
}

/// Whether what earlier commands learned is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    Believe,
    Rehash,
}

/// The digest of a layer's uncompressed tar, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownLayer {
    pub digest: Digest,
    pub size: u64,
}

/// A layer of Python wheels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownWheels {
    /// Of the bytes that are sent.
    pub digest: Digest,
    pub size: u64,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
}

/// An image of an engine, in the form in which the engine gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownImage {
    /// Byte for byte, as the config.
    pub manifest: String,
    pub config: String,
}

impl FileCache {
    /// Returns the cache of a folder for one build of wharf; `now` is a moment before any file is read.
    pub fn of(folder: &Path, program: &Path, now: SystemTime) -> Self {
        let program = fs::metadata(program).map_or(NO_PROGRAM, |facts| Stamp::of(&facts));
        let opened = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let opened = i128::try_from(opened).expect("a time within the age of the universe");
        Self::new(folder.join(FILE), Belief::Believe, program, opened)
    }

    /// Returns a cache that knows nothing and keeps nothing.
    pub fn off() -> Self {
        Self::new(PathBuf::new(), Belief::Rehash, NO_PROGRAM, i128::MIN)
    }

    /// Returns the same cache, but all is read again; what is learned replaces what was known (`--rehash`).
    #[must_use]
    pub fn rehashing(&self) -> Self {
        Self::new(self.path.clone(), Belief::Rehash, self.program, self.opened)
    }

    fn new(path: PathBuf, belief: Belief, program: Stamp, opened: i128) -> Self {
        let (log, hashed) = (OnceLock::new(), AtomicU64::new(0));
        Self { path, belief, log, program, opened, hashed }
    }

    /// Returns the number of bytes of files that were read for their hashes.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Returns why nothing is kept.
    pub fn trouble(&self) -> Option<String> {
        self.log().trouble().map(str::to_owned)
    }

    /// Returns the BLAKE3 hash of a file. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&self, path: &Path) -> io::Result<Digest> {
        let mut file = File::open(path)?;
        let before = Stamp::of(&file.metadata()?);
        if let Some(learned) = self.find(&before) {
            return Ok(learned.hash);
        }
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => hasher.update(&piece[..read]),
            };
        }
        let hash = Digest::new(Algorithm::Blake3, *hasher.finalize().as_bytes());
        self.count(before.size);
        self.keep(&file, &before, &Learned { hash, md5: None, seen: None });
        Ok(hash)
    }

    /// Returns the layer of a recipe, named by the digest of everything that decides about its bytes.
    pub fn layer(&self, recipe: &Digest) -> Option<KnownLayer> {
        self.get(&self.layer_key(recipe))
    }

    /// Keeps the layer of a recipe.
    pub fn keep_layer(&self, recipe: &Digest, layer: KnownLayer) {
        self.put(&self.layer_key(recipe), &layer);
    }

    /// Returns the layer of wheels that has a key.
    pub fn wheels(&self, key: &Digest) -> Option<KnownWheels> {
        self.get(&self.wheels_key(key))
    }

    /// Keeps the layer of wheels that has a key.
    pub fn keep_wheels(&self, key: &Digest, wheels: KnownWheels) {
        self.put(&self.wheels_key(key), &wheels);
    }

    /// Returns the image that has an id.
    pub fn image(&self, id: &str) -> Option<KnownImage> {
        self.get(&self.key("image", id.as_bytes()))
    }

    /// Keeps the image that has an id, unless there is too much to be said of it.
    pub fn keep_image(&self, id: &str, image: &KnownImage) {
        if image.manifest.len() + image.config.len() <= MOST_FACTS {
            self.put(&self.key("image", id.as_bytes()), image);
        }
    }

    fn wheels_key(&self, key: &Digest) -> Key {
        self.key("wheels", key.to_string().as_bytes())
    }

    fn layer_key(&self, recipe: &Digest) -> Key {
        self.key("layer", recipe.to_string().as_bytes())
    }

    fn file_key(&self, stamp: &Stamp) -> Key {
        self.key("file", &bytes_of(stamp))
    }

    fn key(&self, kind: &str, name: &[u8]) -> Key {
        let program = bytes_of(&self.program);
        let mut hasher = blake3::Hasher::new();
        for part in [&program, kind.as_bytes(), name] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let hash = hasher.finalize().to_hex();
        hash.as_bytes()[..size_of::<Key>()].try_into().expect("64 digits")
    }

    fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        serde_json::from_str(self.log().find(key)?).ok()
    }

    fn put(&self, key: &Key, value: &impl Serialize) {
        let value = serde_json::to_string(value).expect("what is kept is plain data");
        self.log().add(key, &value);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        let open = || match self.belief {
            Belief::Believe => Mutex::new(Log::open(self.path.clone())),
            Belief::Rehash => Mutex::new(Log::new(self.path.clone())),
        };
        self.log.get_or_init(open).lock().expect("nobody panics with it")
    }
}

impl KnownFiles for FileCache {
    fn find(&self, stamp: &Stamp) -> Option<Learned> {
        self.get(&self.file_key(stamp))
    }

    fn keep(&self, file: &File, before: &Stamp, learned: &Learned) {
        let is_same = file.metadata().is_ok_and(|facts| Stamp::of(&facts) == *before);
        if !is_same || !before.is_settled_before(self.opened) || !is_reliable(file) {
            return;
        }
        let mut learned = learned.clone();
        learned.seen = learned.seen.filter(|seen| seen.facts.len() <= MOST_FACTS);
        self.put(&self.file_key(before), &learned);
    }

    fn count(&self, bytes: u64) {
        self.hashed.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn bytes_of(stamp: &Stamp) -> Vec<u8> {
    let Stamp { device, inode, size, modified, changed } = stamp;
    let numbers = [device, inode, size].map(|number| number.to_le_bytes());
    let times = [modified, changed].map(|time| time.to_le_bytes());
    [numbers.as_flattened(), times.as_flattened()].concat()
}

/// Says whether the file system gives every file a number of its own and sees to the time of its last change.
/// Network file systems follow another machine's clock, FAT knows no such time, and FUSE may be anything.
#[cfg(target_os = "linux")]
fn is_reliable(file: &File) -> bool {
    /// `statfs(2)`: ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS, bcachefs.
    const RELIABLE: [u32; 8] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x794c_7630,
        0xf2f5_2010,
        0x2fc1_2fc1,
        0xca45_1a4e,
    ];
    // The number is of 32 bits, in a field that is signed on some machines.
    rustix::fs::fstatfs(file).is_ok_and(|facts| RELIABLE.contains(&(facts.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_reliable(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_model::known::Seen;

    use super::*;

    /// A moment after everything that a test writes: the year 2242.
    fn later() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33)
    }

    fn open(folder: &Path) -> FileCache {
        FileCache::of(&folder.join("cache"), Path::new("/nowhere"), later())
    }

    fn file(folder: &Path) -> PathBuf {
        let path = folder.join("weights");
        fs::write(&path, "abc").unwrap();
        path
    }

    /// Hashes a file with a cache that was just opened, and says how many bytes were read for it.
    #[track_caller]
    fn check(cache: FileCache, path: &Path, content: &[u8], read: u64) {
        assert_eq!(cache.hash(path).unwrap(), Digest::blake3(content));
        assert_eq!(cache.hashed(), read);
    }

    #[test]
    fn an_unchanged_file_is_read_once() {
        let home = tempfile::tempdir().unwrap();
        let path = file(home.path());
        check(open(home.path()), &path, b"abc", 3);
        check(open(home.path()), &path, b"abc", 0);
        check(open(home.path()).rehashing(), &path, b"abc", 3);
        check(open(home.path()), &path, b"abc", 0);
    }

    #[test]
    fn a_file_that_was_changed_a_moment_ago_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let path = file(home.path());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        for _ in 0..2 {
            let cache = FileCache::of(&home.path().join("cache"), Path::new("/nowhere"), written);
            check(cache, &path, b"abc", 3);
        }
    }

    #[test]
    fn a_change_that_hides_its_time_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let path = file(home.path());
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        check(open(home.path()), &path, b"abc", 3);
        std::thread::sleep(Duration::from_millis(30));
        fs::write(&path, "abd").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        check(open(home.path()), &path, b"abd", 3);
    }

    #[test]
    fn another_build_of_wharf_believes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = file(home.path());
        check(open(home.path()), &path, b"abc", 3);
        let other = FileCache::of(&home.path().join("cache"), &path, later());
        check(other, &path, b"abc", 3);
    }

    #[test]
    fn what_was_seen_is_kept_unless_it_is_long() {
        let home = tempfile::tempdir().unwrap();
        let path = file(home.path());
        let stamp = Stamp::of(&fs::metadata(&path).unwrap());
        for (length, kept) in [(10, true), (MOST_FACTS + 1, false)] {
            let seen = Seen { reader: "onnx".to_owned(), facts: "x".repeat(length) };
            let hash = Digest::blake3(b"abc");
            let learned = Learned { hash, md5: None, seen: Some(seen) };
            let cache = open(home.path());
            cache.keep(&File::open(&path).unwrap(), &stamp, &learned);
            let found = open(home.path()).find(&stamp).unwrap();
            assert_eq!((found.hash, found.seen.is_some()), (hash, kept));
        }
    }

    #[test]
    fn a_layer_is_known_by_its_recipe() {
        let home = tempfile::tempdir().unwrap();
        let layer = KnownLayer { digest: Digest::blake3(b"tar"), size: 1024 };
        open(home.path()).keep_layer(&Digest::blake3(b"a"), layer);
        let cache = open(home.path());
        assert_eq!(cache.layer(&Digest::blake3(b"a")), Some(layer));
        assert_eq!(cache.layer(&Digest::blake3(b"b")), None);
    }
}
