//! The files of a bundle, with size and hash; a big file is read once, in pieces.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use md5::{Digest as _, Md5};
use wharf_spec::{
    digest::{Algorithm, Digest, hex},
    model::CardFile,
};

use crate::{
    error::{ModelError, ReadError, Result},
    recognise::FileSource,
};

/// The folder of a bundle that holds Python modules; the worker imports from it.
pub(super) const CODE: &str = "code";

/// Files by their path in the bundle.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    files: BTreeMap<String, (Fingerprint, FileSource)>,
}

/// Size and hash of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) size: u64,
    pub(super) hash: Digest,
}

impl Fingerprint {
    /// Returns the fingerprint of bytes in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, hash: Digest::blake3(bytes) }
    }
}

impl Bundle {
    /// Adds a file of known content; the first of two at the same place stays.
    pub(super) fn add(&mut self, path: &str, fingerprint: Fingerprint, source: FileSource) {
        self.files.entry(path.to_owned()).or_insert((fingerprint, source));
    }

    /// Adds a file from memory.
    pub(super) fn add_bytes(&mut self, path: &str, bytes: Vec<u8>) {
        self.add(path, Fingerprint::of(&bytes), FileSource::Bytes(bytes));
    }

    /// Adds a file of the disk.
    pub(super) fn add_file(&mut self, path: &str, file: &Path) -> Result<()> {
        let (_seen, read) = read_through(file, Md5Wanted::No, |_| Ok(()))?;
        self.add(path, read.fingerprint, FileSource::File(file.to_owned()));
        Ok(())
    }

    /// Says whether something lies at this path already.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Returns the paths of all files, sorted.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns what the card says of the files, and where each comes from, in the same order.
    pub(crate) fn into_parts(self) -> (Vec<CardFile>, Vec<FileSource>) {
        let entry = |(path, (fingerprint, source)): (String, (Fingerprint, FileSource))| {
            (CardFile { path, size: fingerprint.size, hash: fingerprint.hash }, source)
        };
        self.files.into_iter().map(entry).unzip()
    }
}

/// Whether MLEM's hash is to be computed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Md5Wanted {
    Yes,
    No,
}

/// What was learned of a file while it went by.
#[derive(Debug)]
pub(super) struct ReadThrough {
    pub(super) fingerprint: Fingerprint,
    /// MD5 in hex, where it was wanted.
    pub(super) md5: Option<String>,
}

/// Reads a file once: `look` sees its bytes as a stream, and all of them are hashed, also those it leaves.
pub(super) fn read_through<T>(
    path: &Path,
    md5: Md5Wanted,
    look: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError>,
) -> Result<(Result<T, ReadError>, ReadThrough)> {
    let failed = |source| ModelError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut hashing = Hashing {
        inner: file,
        size: 0,
        blake3: blake3::Hasher::new(),
        md5: (md5 == Md5Wanted::Yes).then(Md5::new),
    };
    let seen = look(&mut BufReader::with_capacity(256 << 10, &mut hashing));
    let mut rest = BufReader::with_capacity(256 << 10, &mut hashing);
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    Ok((seen, hashing.finish()))
}

/// A reader that hashes what passes.
struct Hashing<R> {
    inner: R,
    size: u64,
    blake3: blake3::Hasher,
    md5: Option<Md5>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.size += read as u64;
        self.blake3.update(&buffer[..read]);
        if let Some(md5) = &mut self.md5 {
            md5.update(&buffer[..read]);
        }
        Ok(read)
    }
}

impl<R> Hashing<R> {
    fn finish(self) -> ReadThrough {
        let hash = Digest::new(Algorithm::Blake3, *self.blake3.finalize().as_bytes());
        let md5 = self.md5.map(|md5| hex(&md5.finalize()));
        ReadThrough { fingerprint: Fingerprint { size: self.size, hash }, md5 }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_not_looked_at_is_hashed_too() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let (first, read) = read_through(file.path(), Md5Wanted::Yes, |stream| {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            Ok(byte[0])
        })
        .unwrap();
        assert_eq!(first, Ok(b'a'));
        assert_eq!(read.fingerprint, Fingerprint::of(b"abc"));
        assert_eq!(read.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
    }
}
