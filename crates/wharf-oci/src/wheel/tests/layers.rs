//! What wheels become.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    path::Path,
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use wharf_spec::digest::{Algorithm, Digest};

use super::{
    super::{
        Wheel,
        install::Wanted,
        layer::{Input, WheelLayer, plan},
        target::Target,
    },
    archive::{Part, archive},
    parts, told,
};
use crate::{
    blob::Blob as _,
    descriptor::digest_of,
    layer::{Content, Entry, Layer, Mode},
};

/// Writes a wheel of these members, and opens it.
fn input(folder: &Path, package: &str, members: Vec<Part>) -> Input {
    let members: Vec<_> = parts(members)
        .into_iter()
        .map(|part| {
            let name = String::from_utf8(part.name.clone()).unwrap();
            let name = name.replace("demo_pkg-1.0", &format!("{package}-1.0")).into_bytes();
            if !name.ends_with(b"METADATA") {
                return Part { name, ..part };
            }
            Part { name, ..Part::new("", format!("Name: {package}\n")) }
        })
        .collect();
    let path = folder.join(format!("{package}-1.0-py3-none-any.whl"));
    let bytes = archive(&members);
    std::fs::write(&path, &bytes).unwrap();
    let wheel = Arc::new(Wheel::open(&path).unwrap());
    Input { wheel, sha256: digest_of(&bytes), wanted: Wanted::ByName }
}

fn target() -> Target {
    Target::official(3, 11, "x86_64")
}

fn only_layer(input: Input) -> WheelLayer {
    let mut layers = plan(&[input], &target()).unwrap();
    assert_eq!(layers.len(), 1);
    layers.remove(0)
}

/// Returns a layer's bytes, and its uncompressed tar.
fn bytes(layer: &WheelLayer) -> (Vec<u8>, Vec<u8>) {
    let (mut blob, mut tar) = (Vec::new(), Vec::new());
    layer.write(&mut blob).unwrap();
    MultiGzDecoder::new(blob.as_slice()).read_to_end(&mut tar).unwrap();
    (blob, tar)
}

/// Files of a tar, in its order.
fn files(tar: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mode = entry.header().mode().unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, mode, content)
    };
    archive.entries().unwrap().map(read).collect()
}

fn demo() -> Vec<Part> {
    let noise: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    vec![
        Part::new("demo_pkg/__init__.py", ""),
        Part::new("demo_pkg/large.bin", &noise),
        // It makes the wheel so large that streams are taken over.
        Part::stored("demo_pkg/stored.bin", vec![7; 1 << 20]),
        Part::new("demo_pkg/tool.so", "elf").executable(),
        Part::new(&format!("demo_pkg/{}.py", "long".repeat(40)), "x = 1\n"),
        Part::new("demo_pkg-1.0.data/scripts/old-tool", "#!python -E\nprint(1)\n"),
        Part::new("demo_pkg-1.0.data/scripts/binary", "#!/bin/sh\n"),
        Part::new("demo_pkg-1.0.data/scripts/demo", "made by setuptools"),
        Part::new("demo_pkg-1.0.data/data/share/demo.txt", "data"),
        Part::new("demo_pkg-1.0.data/headers/demo.h", "int x;"),
        Part::new("demo_pkg-1.0.data/platlib/demo_native.py", ""),
    ]
}

#[test]
fn every_file_goes_where_python_looks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tar) = bytes(&only_layer(input(folder.path(), "demo_pkg", demo())));
    let mut shown = String::new();
    for (path, mode, content) in files(&tar) {
        writeln!(shown, "{mode:o} {path} {}", content.len()).unwrap();
    }
    let shown = shown.replace(&"long".repeat(40), "long…");
    insta::assert_snapshot!(shown, @r"
    755 usr/local/bin/binary 10
    755 usr/local/bin/demo 117
    755 usr/local/bin/old-tool 37
    644 usr/local/include/python3.11/demo_pkg/demo.h 6
    644 usr/local/lib/python3.11/site-packages/demo_native.py 0
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/INSTALLER 6
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/METADATA 15
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/RECORD 1458
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/REQUESTED 0
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/WHEEL 59
    644 usr/local/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/entry_points.txt 43
    644 usr/local/lib/python3.11/site-packages/demo_pkg/__init__.py 0
    644 usr/local/lib/python3.11/site-packages/demo_pkg/large.bin 100000
    644 usr/local/lib/python3.11/site-packages/demo_pkg/long….py 6
    644 usr/local/lib/python3.11/site-packages/demo_pkg/stored.bin 1048576
    755 usr/local/lib/python3.11/site-packages/demo_pkg/tool.so 3
    644 usr/local/share/demo.txt 4
    ");
}

#[test]
fn scripts_are_run_by_the_interpreter_of_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tar) = bytes(&only_layer(input(folder.path(), "demo_pkg", demo())));
    let text = |wanted: &str| {
        let (.., content) =
            files(&tar).into_iter().find(|(path, ..)| path.ends_with(wanted)).unwrap();
        String::from_utf8(content).unwrap()
    };
    assert_eq!(text("bin/old-tool"), "#!/usr/local/bin/python3.11\nprint(1)\n");
    assert_eq!(text("bin/binary"), "#!/bin/sh\n");
    assert_eq!(text("INSTALLER"), "wharf\n");
    insta::assert_snapshot!(text("bin/demo"), @r#"
    #!/usr/local/bin/python3.11
    import sys
    from demo_pkg.cli import main
    if __name__ == "__main__":
        sys.exit(main())
    "#);
    insta::assert_snapshot!(text("RECORD").replace(&"long".repeat(40), "long…"), @r"
    ../../../bin/binary,sha256=qAdtPSjSHgIBKyDq99v3VAmmJ3E0Q5Al8oLjaOMwWr8,10
    ../../../bin/demo,sha256=o_B18B2Os_8dj_n0lhF2qvR9j8Eynr-Owrj1-UAkw7w,117
    ../../../bin/old-tool,sha256=TYhjJ-hL3PkdUgWjdfiWhi5cjFkfna0ZnFWrdBLWFZg,37
    ../../../include/python3.11/demo_pkg/demo.h,sha256=4T4zK9COE8viruCU4TDtI4eLO1VL5bmmZag-Y8qph64,6
    ../../../share/demo.txt,sha256=Om6weQ85rIfJTzhWst0sXREOaBFgImGpqSPTuyOtyLc,4
    demo_native.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    demo_pkg-1.0.dist-info/INSTALLER,sha256=vmrOnWK0md_mZG6-eyqBZpaNG54kBS9VaTst_v3Wrkc,6
    demo_pkg-1.0.dist-info/METADATA,sha256=XzxtwtcNKBRbNtN7Tb2BwMHkB1lp5N0_PfKiz_mkxuA,15
    demo_pkg-1.0.dist-info/RECORD,,
    demo_pkg-1.0.dist-info/REQUESTED,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    demo_pkg-1.0.dist-info/WHEEL,sha256=JCVX9z8V-js2aV5qmQR2E3fiCs-Yu3vPO91cCBmO1JM,59
    demo_pkg-1.0.dist-info/entry_points.txt,sha256=ICVibknf5VupjYGwRd7GBZr36AzhXFyUAdNPDbLKlsc,43
    demo_pkg/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    demo_pkg/large.bin,sha256=a87LsJ7mu5MNGNCY2ruQxwDzOAQhyNeMM64PbRGsPKo,100000
    demo_pkg/long….py,sha256=nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q,6
    demo_pkg/stored.bin,sha256=UbEuuDhzK3hrTUXGYKl03fOGCuCQhP0pP6bl30ZYGmw,1048576
    demo_pkg/tool.so,sha256=eA2Esg165-YpKRk5k0i9v5YCUnATYZgIP8ik2jmLXKk,3
    ");
}

#[test]
fn the_uncompressed_bytes_are_the_canonical_tar_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tar) = bytes(&only_layer(input(folder.path(), "demo_pkg", demo())));
    let entries = files(&tar).into_iter().map(|(path, mode, content)| Entry {
        path,
        mode: if mode == 0o755 { Mode::Executable } else { Mode::Plain },
        content: Content::Bytes(content),
    });
    let mut canonical = Vec::new();
    Layer::new(entries.collect()).write(&mut canonical).unwrap();
    assert!(canonical == tar, "the tar differs");
}

#[test]
fn digests_are_those_of_the_bytes_that_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let make = || only_layer(input(folder.path(), "demo_pkg", demo()));
    let (blob, tar) = bytes(&make());
    let layer = make().into_image_layer().unwrap();
    assert_eq!(layer.descriptor.digest, digest_of(&blob));
    assert_eq!(layer.descriptor.size, blob.len() as u64);
    assert_eq!(layer.diff_id, digest_of(&tar));
}

/// Fails when the same wheel gives other bytes than it gave; then `FRAMING` is to be raised, and this made anew.
#[test]
fn the_bytes_of_a_layer_do_not_change_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let layer = only_layer(input(folder.path(), "demo_pkg", demo()));
    let key = layer.key();
    let digest = layer.into_image_layer().unwrap().descriptor.digest;
    insta::assert_snapshot!(format!("{key}\n{digest}"), @r"
    b3:ead7e73d032dc34f3a2b23e38ea28a48f7346ffdb5a42287a2856bb7fd520d02
    sha256:bf455c59bdad35c396be6938ac681bee8c21a0a08c137c8536b4520f5e1c9256
    ");
}

#[test]
fn a_deflate_stream_of_a_wheel_is_in_the_layer_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let large = demo().remove(1).packed;
    let (blob, _) = bytes(&only_layer(input(folder.path(), "demo_pkg", demo())));
    assert!(blob.windows(large.len()).any(|window| window == large));
}

#[test]
fn the_key_is_that_of_wheels_and_target() {
    let folder = tempfile::tempdir().unwrap();
    let one = input(folder.path(), "demo_pkg", demo());
    let key = |input: &Input, target: &Target| {
        plan(std::slice::from_ref(input), target).unwrap()[0].key()
    };
    let first = key(&one, &target());
    assert_eq!(first, key(&one, &target()));
    let other = Digest::new(Algorithm::Sha256, [7; 32]);
    assert_ne!(first, key(&Input { sha256: other, ..one.clone() }, &target()));
    assert_ne!(first, key(&Input { wanted: Wanted::ByOthers, ..one.clone() }, &target()));
    assert_ne!(
        first,
        key(&one, &Target { interpreter: "/usr/bin/python3".to_owned(), ..target() })
    );
}

#[test]
fn a_large_wheel_has_a_layer_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, size| vec![Part::stored(name, vec![1; size])];
    let large = input(folder.path(), "large", file("large.bin", 5_000_000));
    let small = input(folder.path(), "a_small", file("a.bin", 1));
    let other = input(folder.path(), "z_small", file("z.bin", 1));
    let titles = |inputs: &[Input]| -> Vec<_> {
        let clash = plan(inputs, &target()).unwrap();
        clash.into_iter().map(|layer| layer.into_image_layer().unwrap().title).collect()
    };
    assert_eq!(
        titles(&[small.clone(), other.clone(), large.clone()]),
        titles(&[large.clone(), other.clone(), small.clone()])
    );
    assert_eq!(titles(&[other, large, small]), ["wheel large 1.0", "wheels of 2 packages"]);
}

fn both(folder: &Path, one: Vec<Part>, other: Vec<Part>) -> Result<Vec<WheelLayer>, String> {
    let inputs = [input(folder, "one", one), input(folder, "other", other)];
    plan(&inputs, &target()).map_err(told)
}

#[test]
fn wheels_share_a_file_only_with_one_content() {
    let folder = tempfile::tempdir().unwrap();
    let clash = |one, other| both(folder.path(), one, other);
    let file = |content: &str| vec![Part::new("space/__init__.py", content)];
    let layers = clash(file("x"), file("x")).unwrap();
    let (_, tar) = bytes(&layers[0]);
    let count = files(&tar).iter().filter(|(path, ..)| path.ends_with("space/__init__.py")).count();
    assert_eq!(count, 1);
    let error = clash(file("x"), file("y")).unwrap_err();
    for word in ["one-1.0", "other-1.0", "site-packages/space/__init__.py", "different content"] {
        assert!(error.contains(word), "{error}");
    }
    let error = clash(file("x"), vec![Part::new("space", "")]).unwrap_err();
    assert!(error.contains("which is a folder"), "{error}");
}

#[test]
fn two_versions_of_a_package_and_foreign_wheels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = input(folder.path(), "demo_pkg", demo());
    let error = plan(&[one.clone(), one.clone()], &target()).map_err(told).unwrap_err();
    assert!(error.contains("wheels of one package"), "{error}");
    let error = plan(&[one], &Target { python: (2, 7), ..target() }).map_err(told).unwrap_err();
    assert!(error.contains("not for Python 2.7 on x86_64"), "{error}");
}

#[test]
fn a_wheel_that_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = input(folder.path(), "demo_pkg", demo());
    let path = folder.path().join("demo_pkg-1.0-py3-none-any.whl");
    let layer = only_layer(one);
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"x").unwrap();
    let error = layer.into_image_layer().unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}
