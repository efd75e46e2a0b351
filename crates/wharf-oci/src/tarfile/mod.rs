//! Where the files of a tar lie in it. Only headers are read; what cannot be honoured is an error that names the entry.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use tar::{EntryType, Header};

use crate::error::{OciError, Result};

const BLOCK: u64 = 512;

const MAX_ENTRIES: usize = 2_000_000;

/// The longest path and target of a link, in bytes.
const MAX_PATH: usize = 4096;

/// The most parts of a path.
const MAX_PARTS: usize = 256;

/// The largest record about another entry, in bytes.
const MAX_RECORD: u64 = 1 << 20;

/// The most bytes of all names together.
const MAX_NAMES: usize = 64 << 20;

/// How many links are followed to a file.
const MAX_LINKS: usize = 8;

/// A tar on disk, and what lies where in it.
#[derive(Debug)]
pub(crate) struct TarFile {
    path: PathBuf,
    entries: BTreeMap<String, Found>,
}

/// The part of a file that holds another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    File(Span),
    /// To a path of this tar.
    Link(String),
    Folder,
    /// Readers differ in which of the two they take.
    Twice,
}

impl TarFile {
    /// Lists a tar.
    ///
    /// # Errors
    /// When it cannot be read, is none, or holds an entry that cannot be honoured.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = |source| OciError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let walk =
            Walk { file: BufReader::new(file), at: 0, length, next: Next::default(), names: 0 };
        match walk.all() {
            Ok(entries) => Ok(Self { path: path.to_owned(), entries }),
            Err(Wrong::Read(source)) => Err(read(source)),
            Err(Wrong::Content(why)) => {
                Err(OciError::Foreign { what: format!("archive `{}`", path.display()), why })
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where a file lies; `None` where there is none of that name.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Span>, String> {
        let mut name = name.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.entries.get(&name) {
                None | Some(Found::Folder) => return Ok(None),
                Some(Found::File(span)) => return Ok(Some(*span)),
                Some(Found::Twice) => return Err(format!("it has `{}` twice", shown(&name))),
                Some(Found::Link(target)) => target.clone_into(&mut name),
            }
        }
        Err(format!("its link `{}` leads round and round", shown(&name)))
    }
}

enum Wrong {
    Read(io::Error),
    Content(String),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self::Content(why)
    }
}

/// What records before an entry say about it.
#[derive(Default)]
struct Next {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Walk {
    file: BufReader<File>,
    at: u64,
    length: u64,
    next: Next,
    /// Bytes of names so far.
    names: usize,
}

impl Walk {
    fn all(mut self) -> Result<BTreeMap<String, Found>, Wrong> {
        let mut entries = BTreeMap::new();
        let mut count = 0;
        while let Some(header) = self.header()? {
            count += 1;
            if count > MAX_ENTRIES {
                return Err(format!("it has more than {MAX_ENTRIES} entries").into());
            }
            if let Some((name, found)) = self.entry(&header)? {
                self.names += name.len();
                if self.names > MAX_NAMES {
                    return Err(format!("its names have more than {MAX_NAMES} bytes").into());
                }
                let is_folder = found == Found::Folder;
                entries
                    .entry(name)
                    .and_modify(|old| {
                        if !(is_folder && *old == Found::Folder) {
                            *old = Found::Twice;
                        }
                    })
                    .or_insert(found);
            }
        }
        Ok(entries)
    }

    /// Reads the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Wrong> {
        let Some(block) = self.block()? else {
            return if self.at == 0 { Err("it is empty".to_owned().into()) } else { Ok(None) };
        };
        if self.at == BLOCK && block.starts_with(&[0x1f, 0x8b]) {
            return Err("it is compressed; unpack it with `gunzip` first".to_owned().into());
        }
        if block == [0; 512] {
            return match self.block()? {
                None => Ok(None),
                Some(second) if second == [0; 512] => Ok(None),
                Some(_) => Err("something follows its end".to_owned().into()),
            };
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        if header.cksum().ok() != Some(sum) {
            let at = self.at - BLOCK;
            return Err(format!("it is no tar, or damaged: at byte {at} is no header").into());
        }
        Ok(Some(header))
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, Wrong> {
        if self.at == self.length {
            return Ok(None);
        }
        if self.length - self.at < BLOCK {
            return Err("it is cut off".to_owned().into());
        }
        let mut block = [0; 512];
        self.file.read_exact(&mut block)?;
        self.at += BLOCK;
        Ok(Some(block))
    }

    /// Takes an entry with its body; records about the next one are kept for it.
    fn entry(&mut self, header: &Header) -> Result<Option<(String, Found)>, Wrong> {
        let kind = header.entry_type();
        let is_record = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_record {
            self.record(header)?;
            return Ok(None);
        }
        let Next { path, link, size } = std::mem::take(&mut self.next);
        let raw = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let name = name(&raw)?;
        let fail = |why: &str| Wrong::Content(format!("its entry `{}` {why}", shown(&name)));
        let size = match size {
            Some(size) => size,
            None => header.entry_size().map_err(|_| fail("has no size"))?,
        };
        let found = match kind {
            EntryType::Regular | EntryType::Continuous => {
                Found::File(Span { offset: self.at, size })
            }
            EntryType::Directory => Found::Folder,
            EntryType::Symlink | EntryType::Link => {
                let raw = link
                    .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                    .unwrap_or_default();
                let from = if kind == EntryType::Symlink { parent(&name) } else { "" };
                let target = target(from, &raw).ok_or_else(|| fail("leads out of the archive"))?;
                Found::Link(target)
            }
            EntryType::GNUSparse => return Err(fail("is sparse, which images never are")),
            _ => return Err(fail("is neither file, folder nor link")),
        };
        self.skip(size).ok_or_else(|| fail("is cut off"))??;
        // The root itself has no name.
        Ok((!name.is_empty()).then_some((name, found)))
    }

    /// Goes behind a body; `None` where the file ends before it.
    fn skip(&mut self, size: u64) -> Option<Result<(), Wrong>> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.length)?;
        // A last body without padding is whole.
        self.at = end.checked_next_multiple_of(BLOCK)?.min(self.length);
        Some(self.file.seek(SeekFrom::Start(self.at)).map(drop).map_err(Wrong::Read))
    }

    /// Reads what is said about the next entry.
    fn record(&mut self, header: &Header) -> Result<(), Wrong> {
        let size = header.entry_size().map_err(|_| "a record of it has no size".to_owned())?;
        if size > MAX_RECORD || size > self.length - self.at {
            return Err("a record of it is too long, or cut off".to_owned().into());
        }
        let start = self.at;
        let mut body = Vec::new();
        (&mut self.file).take(size).read_to_end(&mut body)?;
        self.at = start;
        self.skip(size).expect("it was measured before")?;
        let text = || body.iter().copied().take_while(|byte| *byte != 0).collect();
        match header.entry_type() {
            EntryType::GNULongName => self.next.path = Some(text()),
            EntryType::GNULongLink => self.next.link = Some(text()),
            EntryType::XGlobalHeader => {
                for (key, _) in pax(&body)? {
                    if ["path", "linkpath", "size"].contains(&key) {
                        return Err(format!("it gives one {key} to all its entries").into());
                    }
                }
            }
            _ => {
                for (key, value) in pax(&body)? {
                    match key {
                        "path" => self.next.path = Some(value.to_vec()),
                        "linkpath" => self.next.link = Some(value.to_vec()),
                        "size" => {
                            let size = std::str::from_utf8(value).ok().and_then(|s| s.parse().ok());
                            self.next.size =
                                Some(size.ok_or("a size in it is no number".to_owned())?);
                        }
                        _ if key.starts_with("GNU.sparse.") => {
                            return Err("an entry of it is sparse, which images never are"
                                .to_owned()
                                .into());
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads records `LENGTH KEY=VALUE\n` (POSIX, pax format).
fn pax(body: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let wrong = || "a record of it is damaged".to_owned();
    let mut records = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let length: usize = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(wrong)?;
        let record = rest.get(space + 1..length).ok_or_else(wrong)?;
        let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        let key = std::str::from_utf8(&record[..equals]).map_err(|_| wrong())?;
        records.push((key, &record[equals + 1..]));
        rest = &rest[length..];
    }
    Ok(records)
}

/// Parses the path of an entry: relative, without `..`, in one spelling.
fn name(raw: &[u8]) -> Result<String, String> {
    let shown: String = String::from_utf8_lossy(raw).escape_debug().take(200).collect();
    let fail = |why| format!("the path of its entry `{shown}` {why}");
    if raw.len() > MAX_PATH {
        return Err(fail("is too long"));
    }
    let text = std::str::from_utf8(raw).map_err(|_| fail("is no text"))?;
    if text.starts_with('/') || text.contains('\0') {
        return Err(fail("is not within the archive"));
    }
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(fail("is not within the archive"));
    }
    if parts.len() > MAX_PARTS {
        return Err(fail("is too deep"));
    }
    Ok(parts.join("/"))
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Returns what a link in a folder leads to, if that is within the archive.
fn target(folder: &str, raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok().filter(|text| text.len() <= MAX_PATH)?;
    if text.is_empty() || text.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn shown(name: &str) -> String {
    name.escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests;
