//! Wheels from an index into the cache: resumed, checked, and with credentials for their own origin only.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wharf_net::client::{Client, Settings};
use wharf_ops::{
    context::Reporter,
    error::Result,
    python::{
        Network, Packages,
        choose::Chosen,
        index::Indexes,
        lock::{Lock, Package, Place},
        target::{Libc, Target},
        wheels::LockedWheel,
    },
};
use wharf_spec::{
    error::{Explain as _, Report},
    event::Event,
    platform::Platform,
    secret::Secret,
};
use wharf_testkit::packages::{Index, Wheel};

/// Keeps everything that is reported.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Event>>);

impl Reporter for Kept {
    fn report(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

struct Home {
    folder: TempDir,
    reporter: Arc<Kept>,
    packages: Packages,
}

impl Home {
    fn new(indexes: Indexes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let reporter = Arc::new(Kept::default());
        let packages = Packages {
            indexes,
            client: Client::new(&Settings::default()).unwrap(),
            ca_bundle: None,
            cache: folder.path().join("cache"),
            environment: Secret::new(Vec::new()),
            uv: None,
            network: Network::Allowed,
            reporter: reporter.clone(),
            cancel: CancellationToken::new(),
            signed: Vec::new(),
        };
        Self { folder, reporter, packages }
    }

    fn of(index: &Index) -> Self {
        Self::with_address(&format!("http://{}/simple", index.host))
    }

    fn with_address(address: &str) -> Self {
        Self::new(Indexes { index: Some(Secret::new(address.to_owned())), ..Indexes::default() })
    }

    async fn get(&self, lock: &Lock) -> Result<Vec<LockedWheel>> {
        let target = Target {
            python: "3.11".parse().unwrap(),
            platform: Platform::LinuxAmd64,
            libc: Libc::Glibc { minor: 36 },
        };
        let chosen: Vec<Chosen<'_>> = lock.choose(&target)?;
        self.packages.wheels(&chosen, self.folder.path()).await
    }

    /// Every file in the cache.
    fn cached(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.packages.cache.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

fn alpha() -> Wheel {
    Wheel::new("alpha", "1.0", "py3-none-any", &[])
}

fn lock_of(wheel: &Wheel, place: Place, size: Option<u64>) -> Lock {
    let locked = wharf_ops::python::lock::Wheel {
        name: wheel.file_name.parse().unwrap(),
        place,
        size,
        sha256: format!("sha256:{}", wheel.sha256()).parse().unwrap(),
    };
    let package = Package {
        name: "alpha".to_owned(),
        version: "1.0".to_owned(),
        marker: None,
        wheels: vec![locked],
    };
    Lock { inputs: None, requires_python: None, packages: vec![package] }
}

fn at(index: &Index, wheel: &Wheel) -> Place {
    Place::Url(index.file(&wheel.file_name))
}

#[tokio::test]
async fn a_wheel_is_fetched_once() {
    let index = Index::start([alpha()]);
    let home = Home::of(&index);
    let lock = lock_of(&alpha(), at(&index, &alpha()), None);
    let wheels = home.get(&lock).await.unwrap();
    assert_eq!(fs::read(&wheels[0].path).unwrap(), alpha().bytes);
    assert_eq!(wheels[0].path.file_name().unwrap(), "alpha-1.0-py3-none-any.whl");
    assert_eq!(home.get(&lock).await.unwrap(), wheels);
    assert_eq!(index.asked().len(), 1);
    let told = home.reporter.0.lock().unwrap();
    assert!(
        told.iter().any(|event| matches!(event, Event::Fetching { received, .. } if *received > 0))
    );
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_was() {
    let index = Index::start([alpha()]);
    index.cut(2);
    let home = Home::of(&index);
    let size = alpha().bytes.len() as u64;
    let wheels = home.get(&lock_of(&alpha(), at(&index, &alpha()), Some(size))).await.unwrap();
    assert_eq!(fs::read(&wheels[0].path).unwrap(), alpha().bytes);
    let ranges: Vec<_> = index.asked().into_iter().map(|asked| asked.range).collect();
    let half = size / 2;
    assert_eq!(ranges[..2], [None, Some(format!("bytes={half}-"))]);
    assert_eq!(home.cached().len(), 1, "{:?}", home.cached());
}

#[tokio::test]
async fn a_wheel_with_another_hash_never_becomes_visible() {
    let index = Index::start([alpha()]);
    index.replace(&alpha().file_name, b"something else");
    let home = Home::of(&index);
    let error = home.get(&lock_of(&alpha(), at(&index, &alpha()), None)).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0422");
    assert!(home.cached().is_empty(), "{:?}", home.cached());
    let folder = home.folder.path().join("alpha-1.0-py3-none-any.whl");
    fs::write(&folder, "something else").unwrap();
    let local = lock_of(&alpha(), Place::Url(format!("file://{}", folder.display())), None);
    assert_eq!(home.get(&local).await.unwrap_err().code().to_string(), "W0422");
    assert!(home.cached().is_empty(), "{:?}", home.cached());
}

#[tokio::test]
async fn more_than_the_lock_says_is_not_received() {
    let index = Index::start([alpha()]);
    let home = Home::of(&index);
    let error = home.get(&lock_of(&alpha(), at(&index, &alpha()), Some(10))).await.unwrap_err();
    assert!(Report(&error).to_string().contains("larger than the 10 bytes"), "{}", Report(&error));
}

#[tokio::test]
async fn folders_are_looked_into_and_files_that_are_nowhere_are_told() {
    let folder = tempfile::tempdir().unwrap();
    alpha().write(folder.path());
    let links = vec![Secret::new(folder.path().display().to_string())];
    let home = Home::new(Indexes { find_links: links, ..Indexes::default() });
    let lock = lock_of(&alpha(), Place::Path(alpha().file_name), None);
    assert_eq!(home.get(&lock).await.unwrap().len(), 1);
    let elsewhere = Home::new(Indexes::default());
    let error = elsewhere.get(&lock).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0421");
}

#[tokio::test]
async fn offline_asks_nobody() {
    let index = Index::start([alpha()]);
    let mut home = Home::of(&index);
    home.packages.network = Network::Forbidden;
    let error = home.get(&lock_of(&alpha(), at(&index, &alpha()), None)).await.unwrap_err();
    assert!(error.to_string().contains("`--offline` forbids"), "{error}");
    let error = home.packages.uv().await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0417");
    assert!(index.asked().is_empty());
}

#[tokio::test]
async fn a_package_without_a_wheel_for_the_target_is_told() {
    let other = Wheel::new("alpha", "1.0", "cp311-cp311-macosx_11_0_arm64", &[]);
    let lock = lock_of(&other, Place::Path(other.file_name.clone()), None);
    let error = Home::new(Indexes::default()).get(&lock).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0420");
}

#[tokio::test]
async fn credentials_go_to_their_own_origin_and_into_no_message() {
    let elsewhere = Index::start([alpha()]);
    let index = Index::start([alpha()]).with_password("me:c4nary");
    let home = Home::with_address(&format!("http://me:c4nary@{}/simple", index.host));
    index.redirect(&alpha().file_name, &elsewhere.file(&alpha().file_name));
    let lock = lock_of(&alpha(), at(&index, &alpha()), None);
    home.get(&lock).await.unwrap();
    assert!(index.asked()[0].authorization.is_some());
    assert_eq!(elsewhere.asked()[0].authorization, None);
    let stranger = Home::with_address(&format!("http://me:wr0ng@{}/simple", index.host));
    let error = stranger.get(&lock).await.unwrap_err();
    let report = Report(&error).to_string();
    assert!(report.contains("W0421") && report.contains("status 401"), "{report}");
    let told = format!("{:?} {report} {home:?}", stranger.reporter.0.lock().unwrap());
    assert!(!told.contains("c4nary") && !told.contains("wr0ng"), "{told}");
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.packages, self.reporter)
    }
}

#[tokio::test]
async fn uv_is_fetched_only_with_its_own_hash() {
    let names = [
        "uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl",
        "uv-0.13.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
    ];
    let fakes = names.map(|name| Wheel { file_name: name.to_owned(), bytes: b"no uv".to_vec() });
    let index = Index::start(fakes);
    let home = Home::of(&index);
    let error = home.packages.uv().await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0422");
    assert!(home.cached().is_empty(), "{:?}", home.cached());
    let empty = Home::of(&Index::start([]));
    let error = empty.packages.uv().await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0417");
}
