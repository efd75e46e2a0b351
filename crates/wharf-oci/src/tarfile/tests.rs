//! Hostile tars: each refusal names the entry, none takes long.

use std::io::Write as _;

use super::*;

fn entry(path: &[u8], kind: EntryType, link: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn file(path: &str, body: &[u8]) -> Vec<u8> {
    body_of(entry(path.as_bytes(), EntryType::Regular, "", body.len() as u64), body)
}

fn body_of(mut head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    head.extend_from_slice(body);
    head.resize(head.len().next_multiple_of(512), 0);
    head
}

fn record(kind: EntryType, body: &[u8]) -> Vec<u8> {
    body_of(entry(b"record", kind, "", body.len() as u64), body)
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length =
        (1..10).map(|digits| rest.len() + digits).find(|n| n.to_string().len() + rest.len() == *n);
    format!("{}{rest}", length.unwrap()).into_bytes()
}

/// Lists a tar and returns how it reads a file.
fn find(parts: &[Vec<u8>], name: &str) -> Result<Option<Span>, String> {
    let mut tar = tempfile::NamedTempFile::new().unwrap();
    tar.write_all(&parts.concat()).unwrap();
    TarFile::open(tar.path()).map_err(|error| error.to_string())?.find(name)
}

#[track_caller]
fn refused(parts: &[Vec<u8>], why: &str) {
    let error = find(parts, "x").unwrap_err();
    assert!(error.contains(why), "{error}");
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

#[test]
fn files_are_found_where_they_lie() {
    let parts = [file("./a/b", b"one"), file("c", b"two"), end()];
    assert_eq!(find(&parts, "a/b"), Ok(Some(Span { offset: 512, size: 3 })));
    assert_eq!(find(&parts, "c"), Ok(Some(Span { offset: 1536, size: 3 })));
    assert_eq!(find(&parts, "d"), Ok(None));
    assert_eq!(find(&parts[..2], "c"), Ok(Some(Span { offset: 1536, size: 3 })), "without an end");
}

#[test]
fn records_of_long_names_and_sizes_count_for_data_and_position() {
    let long = "d/".repeat(100) + "x";
    let gnu = [record(EntryType::GNULongName, long.as_bytes()), file("short", b"one"), end()];
    assert_eq!(find(&gnu, &long), Ok(Some(Span { offset: 1536, size: 3 })));
    // The header says 3 bytes, the record 600: what lies behind begins 600 bytes later.
    let smuggled = [
        record(EntryType::XHeader, &pax("size", "600")),
        body_of(entry(b"big", EntryType::Regular, "", 3), &[7; 600]),
        file("x", b"two"),
        end(),
    ];
    assert_eq!(find(&smuggled, "big"), Ok(Some(Span { offset: 1536, size: 600 })));
    assert_eq!(find(&smuggled, "x"), Ok(Some(Span { offset: 3072, size: 3 })));
}

#[test]
fn links_lead_to_files_of_the_same_tar_only() {
    let link = |to: &str| entry(b"a/x", EntryType::Symlink, to, 0);
    let found = find(&[link("../b/y"), file("b/y", b"one"), end()], "a/x");
    assert_eq!(found, Ok(Some(Span { offset: 1024, size: 3 })));
    refused(&[link("/etc/passwd"), end()], "`a/x` leads out of the archive");
    refused(&[link("../../etc/passwd"), end()], "`a/x` leads out of the archive");
    let round = [entry(b"x", EntryType::Symlink, "x", 0), end()];
    assert!(find(&round, "x").unwrap_err().contains("round and round"));
}

#[test]
fn paths_out_of_the_archive_are_refused() {
    for path in ["/etc/passwd", "../x", "a/../../x"] {
        refused(&[file(path, b""), end()], "is not within the archive");
    }
    refused(
        &[record(EntryType::XHeader, &pax("path", "../x")), file("x", b""), end()],
        "not within",
    );
    refused(&[file("a\u{1b}[2Jb/../x", b""), end()], "a\\u{1b}[2Jb/../x");
    refused(&[entry(b"\xff", EntryType::Regular, "", 0), end()], "is no text");
    let long = "x".repeat(5000);
    refused(
        &[record(EntryType::GNULongName, long.as_bytes()), file("x", b""), end()],
        "is too long",
    );
    let deep = "d/".repeat(2000);
    refused(
        &[record(EntryType::GNULongName, deep.as_bytes()), file("x", b""), end()],
        "is too deep",
    );
}

#[test]
fn what_images_never_hold_is_refused_by_name() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        refused(&[entry(b"dev", kind, "", 0), end()], "`dev` is neither file, folder nor link");
    }
    refused(&[entry(b"holes", EntryType::GNUSparse, "", 0), end()], "`holes` is sparse");
    let sparse = record(EntryType::XHeader, &pax("GNU.sparse.major", "1"));
    refused(&[sparse, file("x", b""), end()], "sparse");
    refused(&[record(EntryType::XGlobalHeader, &pax("path", "x")), end()], "gives one path to all");
}

#[test]
fn what_is_cut_off_or_damaged_is_refused() {
    refused(&[], "it is empty");
    refused(&[file("x", b"one")[..512].to_vec()], "`x` is cut off");
    refused(&[file("x", b"one"), vec![1; 100]], "it is cut off");
    refused(&[vec![7; 512]], "at byte 0 is no header");
    refused(&[body_of(vec![0x1f, 0x8b], &[])], "it is compressed");
    refused(&[vec![0; 512], file("x", b"")], "something follows its end");
    let huge = entry(b"x", EntryType::Regular, "", u64::MAX / 2);
    refused(&[huge], "`x` is cut off");
    for body in [&b"9 path=x"[..], b"99999 path=x\n", b"x", b"8 pathx\n", b"0 a=b\n"] {
        refused(
            &[record(EntryType::XHeader, body), file("x", b""), end()],
            "a record of it is damaged",
        );
    }
}

#[test]
fn a_file_that_is_there_twice_is_not_chosen_from() {
    let error = find(&[file("x", b"one"), file("./x", b"two"), end()], "x").unwrap_err();
    assert!(error.contains("it has `x` twice"), "{error}");
}
