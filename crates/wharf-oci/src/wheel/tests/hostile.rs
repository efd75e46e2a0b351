//! What is refused, and that nothing makes the reader fall over.

use proptest::prelude::*;

use super::{
    archive::{Part, archive, end, end_zip64, list, locals},
    parts, refused, verdict,
};

/// A wheel with one member more.
fn with(part: Part) -> Vec<u8> {
    archive(&parts(vec![part]))
}

fn file() -> Part {
    Part::new("demo_pkg/a.py", "print('hello, hello, hello')")
}

#[test]
fn names_that_lead_elsewhere() {
    for (name, why) in [
        ("/etc/passwd", "is absolute"),
        ("../x", "leads out of the wheel"),
        ("a/../../x", "leads out of the wheel"),
        ("a//b", "empty component"),
        ("./a", "empty component or one that is `.`"),
        ("a\\b", "backslash"),
        ("a\u{1b}[31m", "control characters"),
        ("demo_pkg/.wh.os.py", "deletes files in an image"),
        (&"a/".repeat(300), "too deep"),
    ] {
        refused(&with(Part::stored(name, "")), why);
    }
    refused(&with(Part { flags: 0, name: b"caf\xe9".to_vec(), ..file() }), "unknown encoding");
    refused(&with(Part { name: b"caf\xe9".to_vec(), ..file() }), "is not UTF-8");
}

#[test]
fn the_member_is_named_without_its_control_characters() {
    refused(&with(Part::new("a\u{1b}[31m", "")), "for its member `a\\u{1b}[31m`");
}

#[test]
fn two_members_for_one_file() {
    refused(&archive(&parts(vec![file(), file()])), "two members of this name");
    refused(&archive(&parts(vec![file(), Part::new("demo_pkg/a.py/b", "")])), "folder for another");
    let twin = Part::new("demo_pkg-1.0.data/purelib/demo_pkg/a.py", "");
    refused(&archive(&parts(vec![file(), twin])), "two members of this name");
}

#[test]
fn members_that_are_no_plain_files() {
    refused(&with(Part { flags: 1, ..file() }), "is encrypted");
    refused(&with(Part { mode: 0o120_777, ..file() }), "a link or a device");
    refused(&with(Part { mode: 0o020_666, ..file() }), "a link or a device");
    refused(&with(Part { method: 12, ..file() }), "packed by method 12");
    refused(&with(Part::stored("folder/", "")), "a link or a device");
    let folder = Part { mode: 0o040_755, ..Part::stored("folder/", "x") };
    refused(&with(folder), "a folder with bytes");
}

#[test]
fn headers_that_disagree() {
    let Part { crc, size, packed, .. } = file();
    let packed = u32::try_from(packed.len()).unwrap();
    refused(
        &with(Part { local_name: Some(b"demo_pkg/b.py".to_vec()), ..file() }),
        "disagree on its name",
    );
    for local in [[crc + 1, packed, size], [crc, packed + 1, size], [crc, packed, size + 1]] {
        refused(&with(Part { local: Some(local), ..file() }), "disagree on its size or checksum");
    }
    let streamed = Part { flags: 1 << 3, local: Some([0, 0, 0]), ..file() };
    refused(&with(streamed.clone()), "disagree on its size or checksum");
    let trailer: Vec<u8> = [crc, packed, size].iter().flat_map(|one| one.to_le_bytes()).collect();
    verdict(&with(Part { trailer: trailer.clone(), ..streamed.clone() })).unwrap();
    let signed = [b"PK\x07\x08".to_vec(), trailer].concat();
    verdict(&with(Part { trailer: signed, ..streamed })).unwrap();
}

#[test]
fn bytes_that_are_not_what_both_headers_say() {
    refused(&with(Part { crc: file().crc ^ 1, ..file() }), "its checksum is another");
    refused(&with(Part { size: file().size - 1, ..file() }), "larger than it says");
    refused(&with(Part { size: file().size + 1, ..file() }), "smaller than it says");
    let longer = Part { packed: [file().packed, vec![0]].concat(), ..file() };
    refused(&with(longer), "its stream ends before its bytes do");
    let shorter = Part { packed: file().packed[..9].to_vec(), ..file() };
    refused(&with(shorter), "its stream does not end");
    refused(&with(Part { packed: vec![0xFF; 20], ..file() }), "its stream is not deflate");
}

#[test]
fn a_member_that_is_far_larger_than_its_bytes() {
    refused(
        &with(Part::new("bomb", vec![0; 40 << 20])),
        "more of it than 200 times its packed bytes",
    );
}

#[test]
fn members_that_share_bytes() {
    let parts = parts(vec![file()]);
    let mut bytes = Vec::new();
    let mut starts = locals(&mut bytes, &parts);
    let list_at = bytes.len();
    starts[1] = starts[0];
    list(&mut bytes, &parts, &starts);
    end(&mut bytes, parts.len(), list_at);
    refused(&bytes, "overlaps what follows it");
}

#[test]
fn archives_that_two_readers_could_read_differently() {
    let good = with(file());
    refused(&[b"#!/bin/sh\n".as_slice(), &good].concat(), "not where it says");
    refused(&[good.as_slice(), b"more"].concat(), "something follows");
    refused(&[good.as_slice(), &good].concat(), "not where it says");
    refused(&good[..good.len() - 1], "cut off");
    refused(b"", "no end record");
    let twice = [0x75, 0x70, 1, 0, 1].to_vec();
    refused(&with(Part { extra: twice, ..file() }), "is there twice");
}

#[test]
fn zip64_is_read_and_its_nonsense_is_not() {
    let parts = parts(vec![file()]);
    let make = |members: u64, off: u64| {
        let mut bytes = Vec::new();
        let starts = locals(&mut bytes, &parts);
        let list_at = bytes.len() as u64;
        list(&mut bytes, &parts, &starts);
        end_zip64(&mut bytes, members, list_at + off);
        bytes
    };
    let count = parts.len() as u64;
    verdict(&make(count, 0)).unwrap();
    refused(&make(count, 1), "fewer members than it says");
    refused(&make(count + 1, 0), "a header is cut off");
    refused(&make(count - 1, 0), "more members than it says");
    refused(&make(1 << 60, 0), "more of it than 200000 members");
    let without = with(Part { size: u32::MAX, ..file() });
    refused(&without, "a value is missing");
}

#[test]
fn wheels_that_are_none() {
    refused(&archive(&[file()]), "has no `*.dist-info`");
    refused(&with(Part::new("other-1.dist-info/WHEEL", "")), "more than one folder");
    let replaced = |file: &str, text: &str| {
        let mut parts = parts(Vec::new());
        let name = format!("demo_pkg-1.0.dist-info/{file}").into_bytes();
        parts.retain(|part| part.name != name);
        parts.push(Part { name, ..Part::new("", text) });
        archive(&parts)
    };
    refused(&replaced("WHEEL", "Wheel-Version: 2.0\n"), "of format 2.0");
    refused(&replaced("WHEEL", ""), "of format ");
    refused(&replaced("METADATA", "Name: other\n"), "it says `other`");
    refused(&replaced("RECORD", "\"x"), "line 1: quotes are not closed");
    refused(&replaced("entry_points.txt", "[console_scripts]\n../x = a:b"), "line 2: ");
    refused(&with(Part::new("demo_pkg-1.0.data/etc/x", "")), "data of the kind `etc`");
    refused(&with(Part::new("demo_pkg-1.0.data/scripts", "")), "a folder for data");
}

#[test]
fn a_wheel_that_is_cut_off_anywhere_is_refused() {
    let good = with(file());
    for length in 0..good.len() {
        assert!(verdict(&good[..length]).is_err(), "{length} bytes passed");
    }
}

proptest! {
    #[test]
    fn damaged_wheels_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = with(file());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // It may pass: a time stamp means nothing.
        verdict(&bytes).ok();
    }
}
