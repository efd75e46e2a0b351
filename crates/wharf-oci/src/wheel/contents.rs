//! What is in a wheel, read and checked: its members, and what the small files in `*.dist-info` say.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{
    error::{Fault, Refusal},
    name::{WheelName, normal},
    text::{self, EntryPoint},
    unpack::Unpacker,
    zip::{self, Member},
};

/// Bytes of a text file that is read whole: torch's `RECORD` has 1.2 MB.
const LARGEST_TEXT: u64 = 32 << 20;

/// Bytes of all scripts whose first line is to be changed.
const LARGEST_SCRIPTS: u64 = 32 << 20;

/// How a script begins that wants the image's interpreter (PEP 427).
const PYTHON_SCRIPT: &[u8] = b"#!python";

/// A wheel's content, but for the bytes of its files.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) name: WheelName,
    pub(super) members: Vec<Member>,
    /// `RECORD`'s form of each member's hash.
    pub(super) hashes: Vec<String>,
    /// `numpy-2.2.6.dist-info`
    pub(super) dist_info: String,
    pub(super) commands: Vec<EntryPoint>,
    /// By its place among the members: what follows the first line of a script that Python runs.
    pub(super) scripts: BTreeMap<usize, Vec<u8>>,
}

impl Contents {
    pub(super) fn read(reader: &mut (impl Read + Seek), file_name: &str) -> Result<Self, Refusal> {
        let name = WheelName::parse(file_name)?;
        let members = zip::members(reader)?;
        let dist_info = find_dist_info(&members)?;
        let mut files = Files { reader, unpacker: Unpacker::new(), members: &members };
        check_formats(&mut files, &dist_info, &name)?;
        let commands = read_commands(&mut files, &dist_info)?;
        let hashes = read_hashes(&mut files, &dist_info)?;
        let scripts = read_scripts(&mut files)?;
        Ok(Self { name, hashes, dist_info, commands, scripts, members })
    }

    /// Splits the name of a member that lies in `*.data`: `scripts`, `flask`.
    pub(super) fn scheme<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let data = format!("{}.data/", self.dist_info.strip_suffix(".dist-info")?);
        let inside = name.strip_prefix(&data)?;
        Some(inside.split_once('/').unwrap_or((inside, "")))
    }
}

struct Files<'a, R> {
    reader: &'a mut R,
    unpacker: Unpacker,
    members: &'a [Member],
}

impl<R: Read + Seek> Files<'_, R> {
    fn find(&self, folder: &str, file: &str) -> Option<&Member> {
        self.members.iter().find(|one| one.name.strip_prefix(folder) == Some(&format!("/{file}")))
    }

    /// Returns a file of text that must be there.
    fn text(&mut self, folder: &str, file: &'static str) -> Result<String, Refusal> {
        let member = self.find(folder, file).ok_or(Fault::Missing(file))?.clone();
        let bytes = self.bytes(&member, LARGEST_TEXT)?;
        String::from_utf8(bytes).map_err(|_| Fault::Text.at(member.name))
    }

    fn bytes(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>, Refusal> {
        if member.size > limit {
            return Err(Fault::Limit { what: "bytes", limit }.at(&member.name));
        }
        let mut bytes = Vec::new();
        self.pass(member, &mut |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    fn pass(&mut self, member: &Member, take: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        self.unpacker.pass(self.reader, member, take)
    }
}

fn find_dist_info(members: &[Member]) -> Result<String, Refusal> {
    let mut found: Vec<_> = members
        .iter()
        .filter_map(|member| member.name.split_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| folder.ends_with(".dist-info"))
        .collect();
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [] => Err(Fault::Missing("*.dist-info").into()),
        [only] => Ok(only.to_owned()),
        _ => Err(Fault::ManyDistInfos.into()),
    }
}

/// Checks that the wheel is of a known format, and is what its file name says.
fn check_formats<R: Read + Seek>(
    files: &mut Files<'_, R>,
    dist_info: &str,
    name: &WheelName,
) -> Result<(), Refusal> {
    let wheel = files.text(dist_info, "WHEEL")?;
    let version = text::header(&wheel, "Wheel-Version").unwrap_or_default();
    if version.split('.').next() != Some("1") {
        return Err(Fault::Version(version.escape_debug().to_string()).into());
    }
    let metadata = files.text(dist_info, "METADATA")?;
    let told = text::header(&metadata, "Name").unwrap_or_default();
    let folder = dist_info.split('-').next().unwrap_or_default();
    for found in [told, folder] {
        if normal(found) != name.package() {
            let found = found.escape_debug().to_string();
            return Err(Fault::OtherName { found, expected: name.distribution.clone() }.into());
        }
    }
    Ok(())
}

fn read_commands<R: Read + Seek>(
    files: &mut Files<'_, R>,
    dist_info: &str,
) -> Result<Vec<EntryPoint>, Refusal> {
    const FILE: &str = "entry_points.txt";
    if files.find(dist_info, FILE).is_none() {
        return Ok(Vec::new());
    }
    let text = files.text(dist_info, FILE)?;
    text::commands(&text).map_err(|fault| fault.at(format!("{dist_info}/{FILE}")))
}

/// Takes the hashes that `RECORD` has, unchecked: the wheel's own digest was. What is missing there is computed.
fn read_hashes<R: Read + Seek>(
    files: &mut Files<'_, R>,
    dist_info: &str,
) -> Result<Vec<String>, Refusal> {
    const FILE: &str = "RECORD";
    let text = files.text(dist_info, FILE)?;
    let record = text::record(&text).map_err(|fault| fault.at(format!("{dist_info}/{FILE}")))?;
    let record: BTreeMap<_, _> = record.into_iter().collect();
    let members = files.members;
    let hash = |member: &Member| match record.get(&member.name) {
        Some(hash) if is_hash(hash) => Ok(hash.clone()),
        _ => {
            let mut sum = Sha256::new();
            files.pass(member, &mut |piece| sum.update(piece))?;
            Ok(written_hash(sum))
        }
    };
    members.iter().map(hash).collect()
}

fn is_hash(text: &str) -> bool {
    text.strip_prefix("sha256=")
        .is_some_and(|digits| URL_SAFE_NO_PAD.decode(digits).is_ok_and(|bytes| bytes.len() == 32))
}

/// Returns a hash as `RECORD` has it.
pub(super) fn written_hash(sum: Sha256) -> String {
    format!("sha256={}", URL_SAFE_NO_PAD.encode(sum.finalize()))
}

/// Reads the scripts that begin with `#!python`, without their first lines. Others may be programs of any size.
fn read_scripts<R: Read + Seek>(
    files: &mut Files<'_, R>,
) -> Result<BTreeMap<usize, Vec<u8>>, Refusal> {
    let mut scripts = BTreeMap::new();
    let mut room = LARGEST_SCRIPTS;
    for (at, member) in files.members.iter().enumerate() {
        let is_script =
            member.name.split('/').nth(1) == Some("scripts") && member.name.contains(".data/");
        if !is_script {
            continue;
        }
        let mut beginning = Vec::new();
        files.pass(member, &mut |piece| {
            let missing = PYTHON_SCRIPT.len() - beginning.len();
            beginning.extend_from_slice(&piece[..missing.min(piece.len())]);
        })?;
        if beginning == PYTHON_SCRIPT {
            let mut bytes = files.bytes(member, room)?;
            room -= member.size;
            let line =
                bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            bytes.drain(..line);
            scripts.insert(at, bytes);
        }
    }
    Ok(scripts)
}

/// Reads all members of a wheel to the end.
pub(super) fn check_bytes(
    reader: &mut (impl Read + Seek),
    members: &[Member],
) -> Result<(), Refusal> {
    let mut files = Files { reader, unpacker: Unpacker::new(), members };
    members.iter().try_for_each(|member| files.pass(member, &mut |_| ()))
}
