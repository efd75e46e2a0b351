//! Canonical tar: GNU headers, root's files, one constant time, folders only where they are ours.

use std::{
    fs::File,
    io::{self, Read as _, Write},
    path::Path,
};

use tar::{Builder, EntryType, Header};
use wharf_spec::stamp::Stamp;

use super::{Content, Entry, Mode};
use crate::{
    archive::pad,
    error::{OciError, Result},
};

/// 1980-01-01T00:00:00Z: Python's `zipfile` refuses files from before.
const MTIME: u64 = 315_532_800;

/// What comes after the last entry.
pub(super) const END: [u8; 1024] = [0; 1024];

/// How many bytes of a file are read at once.
const PIECE: usize = 1 << 20;

/// Writes entries, and returns the state of each file while it was read. Where states are expected, a file in
/// another one is refused.
pub(super) fn write(
    entries: &[Entry],
    expected: Option<&[Option<Stamp>]>,
    writer: impl Write,
) -> Result<Vec<Option<Stamp>>> {
    let mut builder = Builder::new(writer);
    let mut stamps = Vec::with_capacity(entries.len());
    let mut buffer = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Content::File { path, size } = &entry.content else {
            append(&mut builder, entry)?;
            stamps.push(None);
            continue;
        };
        let file = Source::open(path, *size)?;
        if expected.is_some_and(|expected| expected[at] != Some(file.stamp)) {
            return Err(file.changed());
        }
        let mut header = header(entry);
        // Only the header: the content goes its own way, in larger pieces.
        builder.append_data(&mut header, &entry.path, io::empty()).map_err(OciError::Write)?;
        buffer.resize(PIECE, 0);
        file.copy(builder.get_mut(), &mut buffer)?;
        pad(builder.get_mut(), *size)?;
        stamps.push(Some(file.stamp));
    }
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)?;
    Ok(stamps)
}

/// Returns what comes before the bytes of a file, for whoever writes these by other means.
pub(crate) fn file_head(path: &str, mode: Mode, size: u64) -> Result<Vec<u8>> {
    let content = Content::File { path: path.into(), size };
    let entry = Entry { path: path.to_owned(), mode, content };
    let mut builder = Builder::new(Vec::new());
    builder.append_data(&mut header(&entry), path, io::empty()).map_err(OciError::Write)?;
    Ok(builder.get_ref().clone())
}

fn header(entry: &Entry) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(match (&entry.content, entry.mode) {
        (Content::Link { .. }, _) => 0o777,
        (Content::Folder, _) | (_, Mode::Executable) => 0o755,
        (_, Mode::Plain) => 0o644,
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(entry.content.size());
    header
}

/// Appends what is no file of the disk.
fn append(builder: &mut Builder<impl Write>, entry: &Entry) -> Result<()> {
    let mut header = header(entry);
    let appended = match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, format!("{}/", entry.path), io::empty())
        }
        Content::Link { target } => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, &entry.path, target)
        }
        Content::Bytes(bytes) => builder.append_data(&mut header, &entry.path, bytes.as_slice()),
        Content::File { .. } => unreachable!("files are copied in pieces"),
    };
    appended.map_err(OciError::Write)
}

/// An open file, and the state that it is to stay in.
struct Source<'a> {
    path: &'a Path,
    file: File,
    stamp: Stamp,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path, size: u64) -> Result<Self> {
        let failed = |source| OciError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        let source = Self { path, file, stamp };
        if stamp.size == size { Ok(source) } else { Err(source.changed()) }
    }

    /// Copies exactly the bytes that its header promises.
    fn copy(&self, writer: &mut impl Write, buffer: &mut [u8]) -> Result<()> {
        let failed = |source| OciError::Read { path: self.path.to_owned(), source };
        let mut left = self.stamp.size;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = match (&self.file).read(&mut buffer[..wanted]) {
                Ok(0) => return Err(self.changed()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            writer.write_all(&buffer[..read]).map_err(OciError::Write)?;
            left -= read as u64;
        }
        let after = Stamp::of(&self.file.metadata().map_err(failed)?);
        if after == self.stamp { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> OciError {
        OciError::Changed { path: self.path.to_owned() }
    }
}
