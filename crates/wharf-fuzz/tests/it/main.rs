//! Every kept input goes through its target, with nothing installed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use wharf_fuzz::TARGETS;

/// What no input may take, with debug checks on and other tests beside it.
const PATIENCE: Duration = Duration::from_secs(10);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let name = |path: &Path| path.file_stem().expect("a path of an entry").to_owned();
    entries
        .map(|entry| name(&entry.expect("entries can be read").path()))
        .map(|name| name.into_string().expect("names are text"))
        .collect()
}

#[test]
fn every_kept_input_is_read_or_refused_in_time() {
    for (name, target) in TARGETS {
        let folder = corpus().join(name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // The panic of a reader does not say which input it had.
            println!("{}", path.display());
            let start = Instant::now();
            target(&fs::read(&path).unwrap());
            assert!(start.elapsed() < PATIENCE, "{} took too long", path.display());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
}

#[test]
fn every_target_has_its_program_and_its_inputs() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, names_in(&corpus()));
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    assert_eq!(names, names_in(&fuzz.join("fuzz_targets")));
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is in no Cargo.toml");
    }
}
