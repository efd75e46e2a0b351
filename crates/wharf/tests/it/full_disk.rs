//! A disk that is full: told by the path that was to be written, with nothing half written on it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use crate::{
    hermetic::files,
    python_lock::FakeUv,
    python_native::{self, needy},
    registry::Lab,
    support::{Outcome, User, copy, examples, nothing_is_left, on_engine},
};

/// What fills a disk, as far as it goes.
const FILLER: &str = "filler";

/// A disk of half a megabyte at `disk` in a user's home; it ends with the test.
struct Disk(PathBuf);

impl Disk {
    fn mount(user: &User) -> Self {
        let folder = user.home.path().join("disk");
        fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(&folder)
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting a small tmpfs needs root");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Fills it, and returns what is on it then.
    fn fill(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fs::write(self.0.join(FILLER), vec![0; 1 << 20]).unwrap_err();
        self.files()
    }

    /// Makes room for one small file again.
    fn free_page(&self) {
        const PAGE: u64 = 4096;
        let filler = fs::OpenOptions::new().write(true).open(self.0.join(FILLER)).unwrap();
        let size = filler.metadata().unwrap().len();
        filler.set_len((size - 1) / PAGE * PAGE).unwrap();
    }

    /// Everything on it, folders too: an empty one that was not there is half of something.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.0)
            .into_iter()
            .map(|path| {
                let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                (path, bytes)
            })
            .collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").args(["--lazy"]).arg(&self.0).status().ok();
    }
}

/// Fails unless a full disk was told, by a path.
#[track_caller]
fn told(outcome: Outcome, path: &str) {
    let outcome = outcome.expect(6);
    assert!(outcome.err.contains("error[W0801]"), "{}", outcome.err);
    assert!(outcome.err.contains(path), "{path}:\n{}", outcome.err);
}

#[track_caller]
fn unchanged(disk: &Disk, before: &BTreeMap<PathBuf, Vec<u8>>) {
    let (after, names) = (disk.files(), |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files.keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(names(&after), names(before));
    assert!(after == *before, "a file has changed");
}

const FORMS: [&str; 4] = ["oci-dir", "oci-archive", "docker-archive", "context"];

#[tokio::test]
#[ignore = "needs root"]
async fn an_output_that_does_not_fit_is_not_there() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let disk = Disk::mount(&user);
    let full = disk.fill();
    for form in FORMS {
        let outcome = user.run(&["build", "iris", "--to", &format!("{form}:disk/out")]).await;
        told(outcome, "disk/");
        unchanged(&disk, &full);
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn an_output_stays_as_it_was_where_the_new_one_does_not_fit() {
    for form in FORMS {
        let (user, _) = User::of_fake();
        let folder = user.example("iris");
        let disk = Disk::mount(&user);
        let to = format!("{form}:disk/out");
        user.run(&["build", "iris", "--to", &to]).await.expect(0);
        let full = disk.fill();
        let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
        fs::write(folder.join("wharf.yaml"), declaration.replace("setosa", "blue flag")).unwrap();
        told(user.run(&["build", "iris", "--to", &to, "--force"]).await, "disk/");
        unchanged(&disk, &full);
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn an_image_that_is_pulled_and_does_not_fit_is_not_there() {
    let (user, lab) = (crate::registry::user(), Lab::start("", ""));
    let name = lab.name("iris:1");
    user.run(&["push", "iris", "--to", &name]).await.expect(0);
    let disk = Disk::mount(&user);
    let full = disk.fill();
    for form in &FORMS[..3] {
        told(user.run(&["pull", &name, "--to", &format!("{form}:disk/out")]).await, &name);
        unchanged(&disk, &full);
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_lock_stays_as_it_was_where_the_new_one_does_not_fit() {
    let (mut user, _) = User::of_fake();
    let uv = FakeUv::install(&mut user);
    let disk = Disk::mount(&user);
    needy(&disk.path("needy"));
    user.run(&["lock", "disk/needy"]).await.expect(0);
    uv.answers("2.0");
    let full = disk.fill();
    told(user.run(&["lock", "disk/needy", "--upgrade"]).await, "wharf.lock");
    unchanged(&disk, &full);
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_wheel_that_does_not_fit_into_the_cache_is_not_there() {
    let mut user = python_native::user("amd64");
    let disk = Disk::mount(&user);
    user.variables.push(("XDG_CACHE_HOME".into(), disk.path("cache").into()));
    disk.fill();
    disk.free_page();
    let [build @ .., _json] = &python_native::BUILD;
    told(user.run(build).await, ".whl");
    let left = disk.files();
    let wheel = left
        .keys()
        .find(|path| path.is_file() && path.starts_with(disk.path("cache/wharf/wheels")));
    assert_eq!(wheel, None);
    assert!(!user.home.path().join("out").exists());
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_service_whose_state_does_not_fit_is_not_started() {
    on_engine("full-disk", async |user| {
        let disk = Disk::mount(&user);
        copy(&examples().join("iris"), &disk.path("iris"));
        disk.fill();
        told(user.run(&["up", "disk/iris"]).await, "disk/iris");
        let left = files(&disk.path("iris"));
        assert!(left.iter().all(|path| !path.ends_with("iris.json.tmp")), "{left:?}");
        nothing_is_left(&user).await;
    })
    .await;
}
