//! Canonical tar: GNU headers, root's files, one constant time, folders only where they are ours.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use tar::{Builder, EntryType, Header};

use super::{Content, Entry, Mode};
use crate::error::{OciError, Result};

/// 1980-01-01T00:00:00Z: Python's `zipfile` refuses files from before.
const MTIME: u64 = 315_532_800;

pub(super) fn write(entries: &[Entry], writer: impl Write) -> Result<()> {
    let mut builder = Builder::new(writer);
    for entry in entries {
        append(&mut builder, entry)?;
    }
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)
}

fn append(builder: &mut Builder<impl Write>, entry: &Entry) -> Result<()> {
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
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            let path = format!("{}/", entry.path);
            builder.append_data(&mut header, path, io::empty()).map_err(OciError::Write)
        }
        Content::Link { target } => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, &entry.path, target).map_err(OciError::Write)
        }
        Content::Bytes(bytes) => {
            builder.append_data(&mut header, &entry.path, bytes.as_slice()).map_err(OciError::Write)
        }
        Content::File { path, size } => {
            let file =
                File::open(path).map_err(|source| OciError::Read { path: path.clone(), source })?;
            let mut exact = Exact { inner: file, left: *size, failed: None };
            let appended = builder.append_data(&mut header, &entry.path, &mut exact);
            match exact.failed {
                Some(Failure::Size) => Err(OciError::Changed { path: path.clone() }),
                Some(Failure::Read(source)) => Err(OciError::Read { path: path.clone(), source }),
                None => appended.map_err(OciError::Write),
            }
        }
    }
}

/// A reader that must give exactly so many bytes, and remembers why it did not.
struct Exact<R> {
    inner: R,
    left: u64,
    failed: Option<Failure>,
}

enum Failure {
    Size,
    Read(io::Error),
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count as u64,
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failed = Some(Failure::Read(error));
                return Err(copy);
            }
        };
        let short = count == 0 && self.left > 0 && !buffer.is_empty();
        if count > self.left || short {
            self.failed = Some(Failure::Size);
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.left -= count;
        Ok(usize::try_from(count).expect("no more than the buffer holds"))
    }
}
