//! A writer of zip archives that writes what it is told to, be it nonsense.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// A member, and what its headers say of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: Vec<u8>,
    pub(super) size: u32,
    pub(super) mode: u32,
    pub(super) extra: Vec<u8>,
    /// What its own header says, where that is something else.
    pub(super) local_name: Option<Vec<u8>>,
    pub(super) local: Option<[u32; 3]>,
    /// After its bytes.
    pub(super) trailer: Vec<u8>,
}

impl Part {
    /// A deflated file.
    pub(super) fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(content.as_ref()).unwrap();
        let packed = encoder.finish().unwrap();
        Self { method: 8, packed, ..Self::stored(name, content) }
    }

    pub(super) fn stored(name: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes().to_vec(),
            flags: 1 << 11,
            method: 0,
            crc: crc.sum(),
            packed: content.to_vec(),
            size: u32::try_from(content.len()).unwrap(),
            mode: 0o100_644,
            extra: Vec::new(),
            local_name: None,
            local: None,
            trailer: Vec::new(),
        }
    }

    pub(super) fn executable(self) -> Self {
        Self { mode: 0o100_755, ..self }
    }

    fn facts(&self) -> [u32; 3] {
        [self.crc, u32::try_from(self.packed.len()).unwrap(), self.size]
    }
}

pub(super) fn archive(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let starts = locals(&mut bytes, parts);
    let list_at = bytes.len();
    list(&mut bytes, parts, &starts);
    end(&mut bytes, parts.len(), list_at);
    bytes
}

/// Writes the members, and returns where each begins.
pub(super) fn locals(bytes: &mut Vec<u8>, parts: &[Part]) -> Vec<u32> {
    let mut starts = Vec::new();
    for part in parts {
        starts.push(u32::try_from(bytes.len()).unwrap());
        let name = part.local_name.as_ref().unwrap_or(&part.name);
        bytes.extend(b"PK\x03\x04\x14\0");
        common(bytes, part, part.local.unwrap_or_else(|| part.facts()), name.len());
        bytes.extend(name);
        bytes.extend(&part.extra);
        bytes.extend(&part.packed);
        bytes.extend(&part.trailer);
    }
    starts
}

pub(super) fn list(bytes: &mut Vec<u8>, parts: &[Part], starts: &[u32]) {
    for (part, start) in parts.iter().zip(starts) {
        bytes.extend(b"PK\x01\x02\x14\x03\x14\0");
        common(bytes, part, part.facts(), part.name.len());
        bytes.extend([0; 6]);
        bytes.extend((part.mode << 16).to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend(&part.name);
        bytes.extend(&part.extra);
    }
}

/// What both headers have: flags to the lengths of name and extra field.
fn common(bytes: &mut Vec<u8>, part: &Part, facts: [u32; 3], name: usize) {
    bytes.extend(part.flags.to_le_bytes());
    bytes.extend(part.method.to_le_bytes());
    bytes.extend([0; 4]);
    for fact in facts {
        bytes.extend(fact.to_le_bytes());
    }
    bytes.extend(u16::try_from(name).unwrap().to_le_bytes());
    bytes.extend(u16::try_from(part.extra.len()).unwrap().to_le_bytes());
}

pub(super) fn end(bytes: &mut Vec<u8>, members: usize, list_at: usize) {
    let size = u32::try_from(bytes.len() - list_at).unwrap();
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([u16::try_from(members).unwrap().to_le_bytes(); 2].concat());
    bytes.extend(size.to_le_bytes());
    bytes.extend(u32::try_from(list_at).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
}

/// The same with the larger end record, whose values the small one points to.
pub(super) fn end_zip64(bytes: &mut Vec<u8>, members: u64, list_at: u64) {
    let record_at = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0]);
    bytes.extend([0; 8]);
    for value in [members, members, record_at - list_at, list_at] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(record_at.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xFF; 12]);
    bytes.extend([0, 0]);
}
