//! A store in a folder: `.wharf/state/`.
//!
//! ```text
//! store.json                the store's id
//! seal.key                  32 bytes, mode 0600
//! records/PROJECT/NAME.json
//! mounted/PROJECT/NAME/HASH/ what containers get of a model besides its own files
//! leases/PROJECT.NAME.lock  held by a lock of the operating system, so a killed process holds nothing
//! ```
//! Files are replaced by rename after a sync, so a reader never sees half of one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use wharf_spec::{
    codes,
    digest::{Digest, hex},
    error::Explain as _,
    seal::SealKey,
    secret::Secret,
};

use crate::{
    error::{Error, Result},
    store::{
        Lease, RecordName, StateStore, StoreId, Version,
        record::{DeploymentRecord, RECORD_SCHEMA},
    },
};

/// A store in a folder of this machine.
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
    id: StoreId,
    key: SealKey,
}

#[derive(Serialize, Deserialize)]
struct StoreFile {
    schema: String,
    id: String,
}

const STORE_SCHEMA: &str = "wharf.store/v1";

impl FolderStore {
    /// Opens the store of a folder; `None` when there is none yet.
    ///
    /// # Errors
    /// When its files cannot be read, or are damaged.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("store.json");
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let file: StoreFile =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        if file.schema != STORE_SCHEMA {
            return Err(damaged(&path, format!("its schema is `{}`", file.schema)));
        }
        let key_path = folder.join("seal.key");
        let key = read_if_there(&key_path)?.ok_or_else(|| damaged(&key_path, "it is missing"))?;
        let key = key.try_into().map_err(|_| damaged(&key_path, "it must have 32 bytes"))?;
        Ok(Some(Self { folder: folder.to_owned(), id: StoreId(file.id), key: Secret::new(key) }))
    }

    /// Opens the store of a folder, or makes it with a new id and key.
    ///
    /// # Errors
    /// When its files cannot be read or written.
    pub fn open_or_create(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        // Two commands at once must agree on one key.
        let _guard = HeldLock::take(&folder.join(".create.lock"), "", Duration::from_secs(10))?;
        if let Some(store) = Self::open(folder)? {
            return Ok(store);
        }
        let id = StoreId(hex(&random::<16>()?));
        let key = random::<32>()?;
        replace(&folder.join("seal.key"), &key, 0o600)?;
        let file = StoreFile { schema: STORE_SCHEMA.to_owned(), id: id.0.clone() };
        let bytes = serde_json::to_vec(&file).expect("plain data");
        replace(&folder.join("store.json"), &bytes, 0o644)?;
        Ok(Self { folder: folder.to_owned(), id, key: Secret::new(key) })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the folder if it holds no record. Its key goes with it: only when nothing on the engine is its own.
    pub fn remove_if_empty(&self) {
        let has_records = children(&self.folder.join("records")).is_ok_and(|projects| {
            projects
                .iter()
                .any(|project| children(project).is_ok_and(|records| !records.is_empty()))
        });
        if has_records {
            return;
        }
        fs::remove_dir_all(&self.folder).ok();
        if let Some(parent) = self.folder.parent().filter(|parent| parent.ends_with(".wharf")) {
            let ignore = parent.join(".gitignore");
            // Another state of wharf may lie beside ours: then both stay.
            if children(parent).is_ok_and(|left| left == [ignore.clone()]) {
                fs::remove_dir_all(parent).ok();
            }
        }
    }

    /// Writes a file of a mounted model, for everybody to read, and returns where it is.
    pub(crate) fn write_mounted(
        &self,
        name: &RecordName,
        model: &Digest,
        file: &str,
        bytes: &[u8],
    ) -> Result<PathBuf> {
        let path = self.mounted(name).join(model.hex()).join(file);
        // The same file: a container may have it mounted.
        if read_if_there(&path)?.is_none_or(|there| there != bytes) {
            create_folder(path.parent().unwrap_or(&self.folder))?;
            replace(&path, bytes, 0o644)?;
            let for_all = fs::Permissions::from_mode(0o644);
            fs::set_permissions(&path, for_all)
                .map_err(|source| Error::file("open to all", &path, source))?;
        }
        Ok(path)
    }

    /// Removes the files of a service's mounted models, but for this one.
    pub(crate) fn keep_mounted(&self, name: &RecordName, kept: Option<&Digest>) -> Result<()> {
        let folder = self.mounted(name);
        let kept = kept.map(|kept| folder.join(kept.hex()));
        for other in children(&folder)?.into_iter().filter(|child| Some(child) != kept.as_ref()) {
            fs::remove_dir_all(&other).map_err(|source| Error::file("remove", &other, source))?;
        }
        // Folders that still hold something refuse to go; that is as wished.
        for folder in folder.ancestors().take(3) {
            fs::remove_dir(folder).ok();
        }
        Ok(())
    }

    fn mounted(&self, name: &RecordName) -> PathBuf {
        self.folder.join("mounted").join(name.project.as_str()).join(name.name.as_str())
    }

    fn record_path(&self, name: &RecordName) -> PathBuf {
        self.folder.join("records").join(name.project.as_str()).join(format!("{}.json", name.name))
    }

    fn lease_path(&self, name: &RecordName) -> PathBuf {
        self.folder.join("leases").join(format!("{}.{}.lock", name.project, name.name))
    }
}

#[async_trait]
impl StateStore for FolderStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn seal_key(&self) -> &SealKey {
        &self.key
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    async fn read(&self, name: &RecordName) -> Result<Option<(DeploymentRecord, Version)>> {
        let path = self.record_path(name);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let record: DeploymentRecord =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        if record.schema != RECORD_SCHEMA {
            return Err(damaged(&path, format!("its schema is `{}`", record.schema)));
        }
        Ok(Some((record, version(&bytes))))
    }

    async fn write(
        &self,
        name: &RecordName,
        record: &DeploymentRecord,
        expected: Option<&Version>,
    ) -> Result<Version> {
        let path = self.record_path(name);
        create_folder(path.parent().unwrap_or(&self.folder))?;
        let guard = self.folder.join("records").join(".lock");
        let _guard = HeldLock::take(&guard, "", Duration::from_secs(10))?;
        let found = read_if_there(&path)?.map(|bytes| version(&bytes));
        if found.as_ref() != expected {
            let action = format!("the record of `{name}` was changed by another command meanwhile");
            return Err(Error::new(codes::CHANGED_MEANWHILE, action).hint("try again"));
        }
        let bytes = serde_json::to_vec_pretty(record).expect("a record is plain data");
        replace(&path, &bytes, 0o644)?;
        Ok(version(&bytes))
    }

    async fn remove(&self, name: &RecordName) -> Result<()> {
        self.keep_mounted(name, None)?;
        let path = self.record_path(name);
        remove_if_there(&path)?;
        // A folder that still holds something refuses to go; that is as wished.
        if let Some(project) = path.parent() {
            fs::remove_dir(project).ok();
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<RecordName>> {
        let mut found = Vec::new();
        for project in children(&self.folder.join("records"))? {
            for record in children(&project)? {
                let stem =
                    |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let names = (
                    stem(&project).map(|name| name.parse()),
                    stem(&record).map(|name| name.parse()),
                );
                if let (Some(Ok(project)), Some(Ok(name))) = names {
                    found.push(RecordName { project, name });
                }
            }
        }
        found.sort();
        Ok(found)
    }

    async fn lease(&self, name: &RecordName, patience: Duration) -> Result<Lease> {
        let path = self.lease_path(name);
        create_folder(path.parent().unwrap_or(&self.folder))?;
        let holder = format!("process {}", std::process::id());
        let held = tokio::task::spawn_blocking(move || HeldLock::take(&path, &holder, patience))
            .await
            .expect("taking a lock does not panic");
        match held {
            Ok(held) => Ok(Lease { _held: held }),
            Err(error) if error.code() == codes::LEASE_HELD => {
                let action = format!("`{}` is being changed by another wharf command", name.name);
                Err(Error::new(codes::LEASE_HELD, action)
                    .because(error)
                    .hint("wait until it is done, and try again"))
            }
            Err(error) => Err(error),
        }
    }
}

/// A lock of the operating system on a file: it ends with the process, however that ends.
#[derive(Debug)]
pub struct HeldLock {
    file: File,
    path: PathBuf,
}

impl HeldLock {
    fn take(path: &Path, holder: &str, patience: Duration) -> Result<Self> {
        let failed = |source| Error::file("lock", path, source);
        let start = Instant::now();
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) if same_file(&file, path) => {
                    file.set_len(0).map_err(failed)?;
                    file.write_all(holder.as_bytes()).map_err(failed)?;
                    return Ok(Self { file, path: path.to_owned() });
                }
                // The holder removed the file between our open and our lock: try the new one.
                Ok(()) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                    let mut text = String::new();
                    file.read_to_string(&mut text).ok();
                    return Err(Error::new(codes::LEASE_HELD, format!("it is held by {text}")));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
            }
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
        self.file.unlock().ok();
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => inode(&ours) == inode(&there),
        _ => false,
    }
}

fn version(bytes: &[u8]) -> Version {
    Version(Digest::blake3(bytes).to_string())
}

fn damaged(path: &Path, why: impl Into<wharf_spec::error::Source>) -> Error {
    Error::new(codes::STATE_DAMAGED, format!("`{}` is damaged", path.display())).because(why).hint(
        format!(
            "move it away: `mv {0} {0}.bad`; what runs is known from its labels",
            path.display()
        ),
    )
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::file("read", path, source))?;
    Ok(bytes)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path, error)),
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("list", folder, error)),
    };
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Makes a folder and its parents; a `.wharf` among them keeps itself out of git.
fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|source| Error::file("make the folder", folder, source))?;
    let wharf = folder.ancestors().find(|parent| parent.ends_with(".wharf"));
    if let Some(ignore) =
        wharf.map(|wharf| wharf.join(".gitignore")).filter(|ignore| !ignore.exists())
    {
        replace(&ignore, b"state/\n", 0o644)?;
    }
    Ok(())
}

/// Replaces a file with new content, all of it or nothing, also when the machine loses power.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    // Unique among processes, and among the threads of one.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    written.map_err(|source| {
        fs::remove_file(&temporary).ok();
        Error::file("write", path, source)
    })
}

/// Which stores this machine knows: a folder with one file for each, named by its id, that says where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIndex {
    pub folder: PathBuf,
}

impl StoreIndex {
    /// Remembers a store.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remember(&self, store: &FolderStore) -> Result<()> {
        let path = self.folder.join(&store.id.0);
        let place = fs::canonicalize(store.folder()).unwrap_or_else(|_| store.folder().to_owned());
        let place = place.into_os_string().into_encoded_bytes();
        if read_if_there(&path)?.is_some_and(|known| known == place) {
            return Ok(());
        }
        create_folder(&self.folder)?;
        replace(&path, &place, 0o600)
    }

    /// Opens a store by its id; `None` when this machine does not know it, or it has gone.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn open(&self, id: &str) -> Result<Option<FolderStore>> {
        use std::os::unix::ffi::OsStringExt as _;
        // Ids come from labels, which anybody can write: only what an id can look like names a file.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some(place) = read_if_there(&self.folder.join(id))? else { return Ok(None) };
        let store = FolderStore::open(Path::new(&std::ffi::OsString::from_vec(place)))?;
        Ok(store.filter(|store| store.id.0 == id))
    }

    /// Returns every store that this machine knows and still finds.
    ///
    /// # Errors
    /// When the index or a store cannot be read.
    pub fn all(&self) -> Result<Vec<FolderStore>> {
        let mut stores = Vec::new();
        for path in children(&self.folder)? {
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            stores.extend(self.open(&id)?);
        }
        Ok(stores)
    }

    /// Forgets a store whose folder has gone.
    pub fn forget(&self, id: &StoreId) {
        fs::remove_file(self.folder.join(&id.0)).ok();
    }
}
