//! The list of members of a zip archive that somebody else made (PKWARE APPNOTE.TXT 6.3.10).
//!
//! There is exactly one way to read an archive that passes: what other readers could understand differently (a prefix, a second
//! list, overlapping members, headers that disagree, two names of one member) is refused.

use std::{
    collections::BTreeSet,
    io::{Read, Seek, SeekFrom},
};

use super::{
    error::{Fault, Refusal},
    fields::Fields,
    path,
};

/// torch has 12 000.
const MOST_MEMBERS: u64 = 200_000;

/// Bytes of the list.
const LARGEST_LIST: u64 = 64 << 20;

/// Bytes of all members, unpacked.
const LARGEST_WHEEL: u64 = 32 << 30;

/// How many times its packed bytes a member may have, once it is larger than [`RATIO_FROM`].
const LARGEST_RATIO: u64 = 200;

const RATIO_FROM: u64 = 16 << 20;

const FULL_16: u64 = 0xFFFF;

const FULL_32: u64 = 0xFFFF_FFFF;

/// A file of the archive; folders are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) packing: Packing,
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Bytes when unpacked.
    pub(super) size: u64,
    /// Where in the archive its bytes begin.
    pub(super) start: u64,
    pub(super) executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Stored,
    Deflated,
}

/// Returns the files of an archive in the order of its list.
pub(super) fn members(reader: &mut (impl Read + Seek)) -> Result<Vec<Member>, Refusal> {
    let list = find_list(reader)?;
    let bytes = read_at(reader, list.start, list.size)?;
    let mut fields = Fields(&bytes);
    let mut listed = Vec::new();
    for _ in 0..list.members {
        listed.push(Listed::read(&mut fields)?);
    }
    if !fields.0.is_empty() {
        return Err(Fault::Archive("its list has more members than it says").into());
    }
    check_names(&listed)?;
    check_sizes(&listed)?;
    locate(reader, &mut listed, list.start)?;
    Ok(listed.into_iter().filter(|one| !one.is_folder).map(|one| one.member).collect())
}

// --- the end of the archive ----------------------------------------------------------------------------------

/// Where the list of members lies ("central directory").
struct List {
    start: u64,
    size: u64,
    members: u64,
}

fn find_list(reader: &mut (impl Read + Seek)) -> Result<List, Fault> {
    const END: usize = 22;
    const COMMENT: u64 = 0xFFFF;
    let length = reader.seek(SeekFrom::End(0)).map_err(Fault::Read)?;
    let tail_start = length.saturating_sub(END as u64 + COMMENT);
    let tail = read_at(reader, tail_start, length - tail_start)?;
    let at = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or(Fault::Archive("it has no end record; is it cut off?"))?;
    let mut end = Fields(&tail[at + 4..]);
    let disks = (end.u16()?, end.u16()?);
    let (here, members) = (end.u16()?, end.u16()?);
    let (size, start) = (end.u32()?, end.u32()?);
    if end.u16()? != end.0.len() as u64 {
        return Err(Fault::Archive("something follows its end record"));
    }
    if disks != (0, 0) || here != members {
        return Err(Fault::Archive("it is one of several parts"));
    }
    let end_at = tail_start + at as u64;
    let plain = List { start, size, members };
    let (list, list_end) = match find_zip64(reader, end_at)? {
        Some((large, large_at)) => {
            let same = |small, large, full| small == full || small == large;
            if !same(members, large.members, FULL_16)
                || !same(size, large.size, FULL_32)
                || !same(start, large.start, FULL_32)
            {
                return Err(Fault::Zip64("its two end records disagree"));
            }
            (large, large_at)
        }
        None if members == FULL_16 || size == FULL_32 || start == FULL_32 => {
            return Err(Fault::Zip64("the end record that it points to is missing"));
        }
        None => (plain, end_at),
    };
    if list.start.checked_add(list.size) != Some(list_end) {
        return Err(Fault::Archive("its list of members is not where it says"));
    }
    if list.members > MOST_MEMBERS || list.size > LARGEST_LIST {
        return Err(Fault::Limit { what: "members", limit: MOST_MEMBERS });
    }
    Ok(list)
}

/// Returns the larger end record, and where it lies.
fn find_zip64(reader: &mut (impl Read + Seek), end_at: u64) -> Result<Option<(List, u64)>, Fault> {
    const LOCATOR: u64 = 20;
    const RECORD: u64 = 56;
    let Some(locator_at) = end_at.checked_sub(LOCATOR) else { return Ok(None) };
    let locator = read_at(reader, locator_at, LOCATOR)?;
    let mut fields = Fields(&locator);
    if fields.take(4)? != b"PK\x06\x07" {
        return Ok(None);
    }
    let (disk, record_at, disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    let fits = record_at.checked_add(RECORD).is_some_and(|end| end <= locator_at);
    if disk != 0 || disks != 1 || !fits {
        return Err(Fault::Zip64("its end record is not where it says"));
    }
    let record = read_at(reader, record_at, RECORD)?;
    let mut fields = Fields(&record);
    let signature = fields.take(4)?;
    let size = fields.u64()?;
    if signature != b"PK\x06\x06"
        || record_at.checked_add(12 + size.min(1 << 40)) != Some(locator_at)
    {
        return Err(Fault::Zip64("its end record is not where it says"));
    }
    fields.take(4)?;
    let disks = (fields.u32()?, fields.u32()?);
    let (here, members) = (fields.u64()?, fields.u64()?);
    if disks != (0, 0) || here != members {
        return Err(Fault::Archive("it is one of several parts"));
    }
    let (size, start) = (fields.u64()?, fields.u64()?);
    Ok(Some((List { start, size, members }, record_at)))
}

// --- the list ------------------------------------------------------------------------------------------------

struct Listed {
    member: Member,
    is_folder: bool,
    /// As both headers have it.
    raw_name: Vec<u8>,
    flags: u64,
    method: u64,
    header_at: u64,
}

const ENCRYPTED: u64 = 1 | 1 << 6 | 1 << 13;

/// Sizes and checksum follow the bytes.
const STREAMED: u64 = 1 << 3;

const UTF_8: u64 = 1 << 11;

impl Listed {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Refusal> {
        if fields.take(4)? != b"PK\x01\x02" {
            return Err(Fault::Archive("its list has fewer members than it says").into());
        }
        fields.take(4)?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let lengths = (fields.u16()?, fields.u16()?, fields.u16()?);
        let disk = fields.u16()?;
        fields.take(2)?;
        let (attributes, header_at) = (fields.u32()?, fields.u32()?);
        let raw_name = fields.take(lengths.0)?.to_vec();
        let extra = fields.take(lengths.1)?;
        fields.take(lengths.2)?;

        let shown = String::from_utf8_lossy(&raw_name).into_owned();
        let at = |fault: Fault| fault.at(shown.clone());
        let mut sizes = [size, packed, header_at];
        widen(extra, &mut sizes).map_err(at)?;
        let [size, packed, header_at] = sizes;
        if disk != 0 {
            return Err(at(Fault::Archive("it is in another part")));
        }
        if flags & ENCRYPTED != 0 {
            return Err(at(Fault::Encrypted));
        }
        let name = name_of(&raw_name, flags).map_err(at)?;
        let is_folder = name.ends_with('/');
        path::check(name.strip_suffix('/').unwrap_or(&name)).map_err(at)?;
        let mode = attributes >> 16;
        check_kind(mode, is_folder, size).map_err(at)?;
        let packing = match method {
            0 if packed == size => Packing::Stored,
            0 => return Err(at(Fault::Damaged("it is stored, with two sizes"))),
            8 => Packing::Deflated,
            other => return Err(at(Fault::Method(u16::try_from(other).expect("of two bytes")))),
        };
        let executable = mode & 0o111 != 0;
        let crc = u32::try_from(crc).expect("of four bytes");
        let member = Member { name, packing, crc, packed, size, start: 0, executable };
        Ok(Self { member, is_folder, raw_name, flags, method, header_at })
    }
}

fn name_of(raw: &[u8], flags: u64) -> Result<String, Fault> {
    // Without the flag other letters would be of code page 437, or of whatever the maker had.
    if flags & UTF_8 == 0 && !raw.is_ascii() {
        return Err(Fault::Name("is in an unknown encoding"));
    }
    String::from_utf8(raw.to_vec()).map_err(|_| Fault::Name("is not UTF-8"))
}

fn check_kind(mode: u64, is_folder: bool, size: u64) -> Result<(), Fault> {
    const KIND: u64 = 0o170_000;
    const FILE: u64 = 0o100_000;
    const FOLDER: u64 = 0o040_000;
    match mode & KIND {
        0 => {}
        FILE if !is_folder => {}
        FOLDER if is_folder => {}
        _ => return Err(Fault::NoFile),
    }
    if is_folder && size != 0 {
        return Err(Fault::Damaged("it is a folder with bytes"));
    }
    Ok(())
}

/// Puts the 64-bit values of the zip64 extra field in place of those that did not fit into 32.
fn widen(extra: &[u8], values: &mut [u64]) -> Result<(), Fault> {
    const ZIP64: u64 = 0x0001;
    const UNICODE_PATH: u64 = 0x7075;
    let mut fields = Fields(extra);
    let mut found = None;
    while fields.0.len() >= 4 {
        let (kind, length) = (fields.u16()?, fields.u16()?);
        let content = fields.take(length)?;
        match kind {
            ZIP64 if found.is_some() => return Err(Fault::Zip64("they are there twice")),
            ZIP64 => found = Some(content),
            // Some readers take it for the name.
            UNICODE_PATH => return Err(Fault::Name("is there twice")),
            _ => {}
        }
    }
    if fields.0.iter().any(|byte| *byte != 0) {
        return Err(Fault::Archive("an extra field is cut off"));
    }
    let mut large = Fields(found.unwrap_or_default());
    for value in values.iter_mut().filter(|value| **value == FULL_32) {
        *value = large.u64().map_err(|_| Fault::Zip64("a value is missing"))?;
    }
    Ok(())
}

fn check_names(listed: &[Listed]) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    for Listed { member, .. } in listed {
        if !names.insert(member.name.trim_end_matches('/')) {
            return Err(Fault::Twin.at(&member.name));
        }
    }
    let files: BTreeSet<_> =
        listed.iter().filter(|one| !one.is_folder).map(|one| one.member.name.as_str()).collect();
    for name in &names {
        if let Some(file) = path::folders(name).find(|folder| files.contains(folder)) {
            return Err(Fault::AlsoFolder.at(file));
        }
    }
    Ok(())
}

fn check_sizes(listed: &[Listed]) -> Result<(), Refusal> {
    let mut total: u64 = 0;
    for Listed { member, .. } in listed {
        total = total.saturating_add(member.size);
        if total > LARGEST_WHEEL {
            return Err(Fault::Limit { what: "bytes", limit: LARGEST_WHEEL }.into());
        }
        if member.size > RATIO_FROM && member.size / LARGEST_RATIO > member.packed {
            let limit = LARGEST_RATIO;
            return Err(Fault::Limit { what: "times its packed bytes", limit }.at(&member.name));
        }
    }
    Ok(())
}

// --- the members' own headers --------------------------------------------------------------------------------

/// Finds where the bytes of each member begin, and checks that its own header says the same as the list.
fn locate(
    reader: &mut (impl Read + Seek),
    listed: &mut [Listed],
    list_at: u64,
) -> Result<(), Refusal> {
    let mut order: Vec<_> = listed.iter_mut().collect();
    order.sort_by_key(|one| one.header_at);
    let ends: Vec<_> = order.iter().skip(1).map(|next| next.header_at).chain([list_at]).collect();
    for (one, end) in order.into_iter().zip(ends) {
        locate_one(reader, one, end).map_err(|fault| fault.at(&one.member.name))?;
    }
    Ok(())
}

fn locate_one(reader: &mut (impl Read + Seek), one: &mut Listed, end: u64) -> Result<(), Fault> {
    const HEADER: u64 = 30;
    const OVERLAP: Fault = Fault::Archive("it overlaps what follows it");
    let room = end.checked_sub(one.header_at).ok_or(OVERLAP)?;
    if room < HEADER {
        return Err(OVERLAP);
    }
    let header = read_at(reader, one.header_at, HEADER)?;
    let mut fields = Fields(&header);
    if fields.take(4)? != b"PK\x03\x04" {
        return Err(Fault::Archive("it is not where the list says"));
    }
    fields.take(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?;
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name_length, extra_length) = (fields.u16()?, fields.u16()?);
    if room < HEADER + name_length + extra_length {
        return Err(OVERLAP);
    }
    let rest = read_at(reader, one.header_at + HEADER, name_length + extra_length)?;
    let mut fields = Fields(&rest);
    if fields.take(name_length)? != one.raw_name {
        return Err(Fault::Disagree("its name"));
    }
    let mut sizes = [size, packed];
    widen(fields.0, &mut sizes)?;
    let [size, packed] = sizes;
    if method != one.method || (flags ^ one.flags) & (ENCRYPTED | STREAMED) != 0 {
        return Err(Fault::Disagree("how it is packed"));
    }
    let member = &mut one.member;
    let told = [(crc, u64::from(member.crc)), (packed, member.packed), (size, member.size)];
    let unknown = flags & STREAMED != 0;
    if told.iter().any(|(local, listed)| local != listed && !(unknown && *local == 0)) {
        return Err(Fault::Disagree("its size or checksum"));
    }
    member.start = one.header_at + HEADER + name_length + extra_length;
    let bytes_end = member.start.checked_add(member.packed).ok_or(OVERLAP)?;
    let left = end.checked_sub(bytes_end).ok_or(OVERLAP)?;
    if unknown {
        let trailer = read_at(reader, bytes_end, left.min(24))?;
        check_trailer(&trailer, member)?;
    }
    Ok(())
}

/// A streamed member is followed by checksum and sizes, with or without a signature, of four or eight bytes.
fn check_trailer(trailer: &[u8], member: &Member) -> Result<(), Fault> {
    let trailer = trailer.strip_prefix(b"PK\x07\x08").unwrap_or(trailer);
    let mut large = member.crc.to_le_bytes().to_vec();
    large.extend(member.packed.to_le_bytes());
    large.extend(member.size.to_le_bytes());
    let mut small = member.crc.to_le_bytes().to_vec();
    for size in [member.packed, member.size] {
        small.extend_from_slice(&size.to_le_bytes()[..4]);
    }
    if trailer.starts_with(&large) || trailer.starts_with(&small) {
        Ok(())
    } else {
        Err(Fault::Disagree("its size or checksum"))
    }
}

/// Reads so many bytes; the callers have limits.
fn read_at(reader: &mut (impl Read + Seek), start: u64, size: u64) -> Result<Vec<u8>, Fault> {
    reader.seek(SeekFrom::Start(start)).map_err(Fault::Read)?;
    let mut bytes = Vec::new();
    reader.take(size).read_to_end(&mut bytes).map_err(Fault::Read)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(Fault::Archive("it is cut off")) }
}
