//! Real pickles and joblib files, and hostile ones: listed, never loaded.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use wharf_model::pickle::{
    imports::Imports,
    scan::{Dialect, scan},
};
use wharf_spec::model::RiskLevel;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pickle").join(name)
}

fn listed(name: &str) -> Imports {
    let file = BufReader::new(File::open(path(name)).unwrap());
    scan(file, Dialect::Joblib).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn worst(imports: &Imports) -> RiskLevel {
    imports.risks("x").iter().map(|risk| risk.level).max().unwrap()
}

#[test]
fn every_protocol_lists_the_same_class() {
    for protocol in 0..6 {
        let imports = listed(&format!("ridge-protocol{protocol}.pkl"));
        let names: BTreeSet<(&str, &str)> = imports.names().collect();
        assert!(names.contains(&("sklearn.linear_model._ridge", "Ridge")), "{protocol}: {names:?}");
        assert!(imports.packages().is_subset(&BTreeSet::from([
            "_codecs", "builtins", "copyreg", "copy_reg", "numpy", "sklearn"
        ])));
        assert_eq!(worst(&imports), RiskLevel::Caution, "{protocol}: {:?}", imports.dangerous());
        assert!(!imports.need_joblib());
    }
}

#[test]
fn arrays_between_the_opcodes_are_stepped_over() {
    for name in [
        "ridge.joblib",
        "tree-zlib.joblib",
        "ridge-gzip.joblib",
        "objects.joblib",
        "pkl-by-joblib.pkl",
    ] {
        let imports = listed(name);
        assert!(imports.need_joblib(), "{name}");
        assert_eq!(worst(&imports), RiskLevel::Caution, "{name}: {:?}", imports.dangerous());
        assert!(imports.packages().contains("joblib"), "{name}");
    }
    let names: Vec<String> =
        listed("objects.joblib").names().map(|(module, name)| format!("{module}.{name}")).collect();
    assert!(names.contains(&"sklearn.linear_model._ridge.Ridge".to_owned()), "{names:?}");
}

#[test]
fn what_cannot_be_unpacked_is_a_danger() {
    let imports = listed("ridge-bz2.joblib");
    insta::assert_snapshot!(
        imports.risks("m.joblib")[0].text,
        @"not all that `m.joblib` imports could be listed: it is compressed with bzip2, which wharf does not read"
    );
}

#[test]
fn canaries_are_listed_and_never_run() {
    let mut seen = 0;
    for entry in fs::read_dir(path("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("canary") {
            assert_eq!(worst(&listed(&name)), RiskLevel::Danger, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 11);
    assert!(!Path::new("/tmp/wharf-canary-was-run").exists());
}

#[test]
fn a_danger_names_what_is_imported() {
    insta::assert_snapshot!(
        listed("canary-protocol4.pkl").risks("m.pkl")[0].text,
        @"`m.pkl` uses posix.system, which no model needs: do not load it"
    );
    insta::assert_snapshot!(listed("canary-getattr.pkl").risks("m.pkl")[0].text, @"`m.pkl` uses the attribute os, the attribute system, which no model needs: do not load it");
    insta::assert_snapshot!(listed("canary-computed.pkl").risks("m.pkl")[0].text, @"`m.pkl` imports something whose name is only known while loading");
}

fn refusal(bytes: &[u8]) -> String {
    scan(bytes, Dialect::Pickle).expect_err("it passed").to_string()
}

#[test]
fn damaged_pickles_are_errors() {
    insta::assert_snapshot!(refusal(b""), @"the file is empty");
    insta::assert_snapshot!(refusal(b"\x80\x04"), @"it ends in the middle");
    insta::assert_snapshot!(refusal(b"\x80\x04R."), @"at byte 3 of the pickle: it takes a value that is not there");
    insta::assert_snapshot!(refusal(b"\x80\x04\xff."), @"at byte 3 of the pickle: 0xff is no opcode");
    insta::assert_snapshot!(refusal(b"t."), @"at byte 1 of the pickle: it closes a list that was not opened");
    insta::assert_snapshot!(refusal(b"B\xff\xff\xff\xff."), @"it ends in the middle");
    insta::assert_snapshot!(refusal(b"cos\nsystem"), @"at byte 10 of the pickle: a line does not end");
    insta::assert_snapshot!(refusal(b"PK\x03\x04"), @"it is a zip file, as PyTorch writes them, and not a pickle");
    insta::assert_snapshot!(refusal(b"\x78\x9cgarbage"), @"it could not be read to its end: corrupt deflate stream");
}

#[test]
fn every_cut_of_a_real_file_is_an_error() {
    for name in ["ridge-protocol0.pkl", "ridge-protocol4.pkl", "ridge.joblib", "tree-zlib.joblib"] {
        let bytes = fs::read(path(name)).unwrap();
        let last = bytes.len() - 5;
        for end in 0..last {
            assert!(scan(&bytes[..end], Dialect::Joblib).is_err(), "{name} cut at {end} passed");
        }
    }
}

#[test]
fn a_stack_that_only_grows_ends_at_a_limit() {
    let bytes = vec![b'N'; 5 << 20];
    assert!(refusal(&bytes).contains("open at once"));
    let deep = [b"N".as_slice(), &vec![0x85; 1 << 20], b"."].concat();
    assert!(scan(deep.as_slice(), Dialect::Pickle).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_listed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _outcome = scan(bytes.as_slice(), Dialect::Joblib);
    }

    #[test]
    fn a_changed_byte_does_no_harm(at in 0..400_usize, byte in any::<u8>()) {
        let mut bytes = fs::read(path("ridge.joblib")).unwrap();
        bytes[at] = byte;
        let _outcome = scan(bytes.as_slice(), Dialect::Joblib);
    }
}
