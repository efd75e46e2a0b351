//! The files of a bundle, with size and hash; a big file is read once, in pieces, and one that is known not at all.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use md5::{Digest as _, Md5};
use serde::{Serialize, de::DeserializeOwned};
use wharf_spec::{
    digest::{Algorithm, Digest, hex},
    model::CardFile,
    stamp::Stamp,
};

use crate::{
    error::{ModelError, ReadError, Result},
    known::{KnownFiles, Learned, Listener, Seen},
    recognise::FileSource,
};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

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
    pub(super) fn add_file(
        &mut self,
        path: &str,
        file: &Path,
        known: &dyn KnownFiles,
    ) -> Result<()> {
        let reader = Reader { known, name: "", place: Some(path), md5: Md5Wanted::No };
        let read = reader.read(file, |_| Ok(()))?.1;
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

/// Reads files once in their life, as long as they do not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) known: &'a dyn KnownFiles,
    /// What is looked for and how, since another reader would see something else; empty for hashes alone.
    pub(super) name: &'a str,
    /// The file's path in the bundle, where it is known before the file is read.
    pub(super) place: Option<&'a str>,
    pub(super) md5: Md5Wanted,
}

impl Reader<'_> {
    /// Reads a file: `look` sees its bytes as a stream, and all of them are hashed, also those it leaves. Of a file
    /// that is known nothing is read.
    pub(super) fn read<T: Serialize + DeserializeOwned>(
        &self,
        path: &Path,
        look: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError>,
    ) -> Result<(Result<T, ReadError>, ReadThrough)> {
        let failed = |source| ModelError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let before = Stamp::of(&file.metadata().map_err(failed)?);
        if let Some((seen, read)) = self.recall(&before) {
            return Ok((Ok(seen), read));
        }
        let md5 = (self.md5 == Md5Wanted::Yes).then(Md5::new);
        let listener = self.place.and_then(|place| self.known.listener(place, before.size));
        let blake3 = blake3::Hasher::new();
        let mut hashing = Hashing { inner: &file, size: 0, blake3, md5, listener };
        let seen = look(&mut BufReader::with_capacity(PIECE, &mut hashing));
        let mut rest = BufReader::with_capacity(PIECE, &mut hashing);
        io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
        let (read, listener) = hashing.finish();
        self.known.count(read.fingerprint.size);
        if Stamp::of(&file.metadata().map_err(failed)?) != before {
            return Err(ModelError::Changed { path: path.to_owned() });
        }
        if let Some(listener) = listener {
            listener.finish(read.fingerprint.hash);
        }
        if let Ok(seen) = &seen {
            self.keep(&file, &before, seen, &read);
        }
        Ok((seen, read))
    }

    /// Returns what this reader saw in the file when it was in the same state.
    fn recall<T: DeserializeOwned>(&self, stamp: &Stamp) -> Option<(T, ReadThrough)> {
        let Learned { hash, md5, seen } = self.known.find(stamp)?;
        let facts = match seen {
            Some(seen) if seen.reader == self.name => seen.facts,
            None if self.name.is_empty() => "null".to_owned(),
            _ => return None,
        };
        if self.md5 == Md5Wanted::Yes && md5.is_none() {
            return None;
        }
        let seen = serde_json::from_str(&facts).ok()?;
        Some((seen, ReadThrough { fingerprint: Fingerprint { size: stamp.size, hash }, md5 }))
    }

    fn keep(&self, file: &File, before: &Stamp, seen: &impl Serialize, read: &ReadThrough) {
        let facts = serde_json::to_string(seen).expect("facts are plain data");
        let seen = Seen { reader: self.name.to_owned(), facts };
        let learned = Learned {
            hash: read.fingerprint.hash,
            md5: read.md5.clone(),
            seen: (!self.name.is_empty()).then_some(seen),
        };
        self.known.keep(file, before, &learned);
    }
}

/// Reads all that is left, for what is parsed at once.
pub(super) fn whole(bytes: &mut dyn BufRead) -> Result<Vec<u8>, ReadError> {
    let mut whole = Vec::new();
    let read = bytes.read_to_end(&mut whole);
    read.map_err(|error| ReadError::corrupt(format!("it could not be read: {error}")))?;
    Ok(whole)
}

/// A reader that hashes what passes.
struct Hashing<'a, R> {
    inner: R,
    size: u64,
    blake3: blake3::Hasher,
    md5: Option<Md5>,
    listener: Option<Box<dyn Listener + 'a>>,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.size += read as u64;
        self.blake3.update(&buffer[..read]);
        if let Some(md5) = &mut self.md5 {
            md5.update(&buffer[..read]);
        }
        if let Some(listener) = &mut self.listener {
            listener.hear(&buffer[..read]);
        }
        Ok(read)
    }
}

impl<'a, R> Hashing<'a, R> {
    fn finish(self) -> (ReadThrough, Option<Box<dyn Listener + 'a>>) {
        let hash = Digest::new(Algorithm::Blake3, *self.blake3.finalize().as_bytes());
        let md5 = self.md5.map(|md5| hex(&md5.finalize()));
        let fingerprint = Fingerprint { size: self.size, hash };
        (ReadThrough { fingerprint, md5 }, self.listener)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::known::NothingKnown;

    fn first_byte(stream: &mut dyn BufRead) -> Result<u8, ReadError> {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        Ok(byte[0])
    }

    /// Knows one thing of every file.
    #[derive(Debug)]
    struct KnowsIt(Learned);

    impl KnownFiles for KnowsIt {
        fn find(&self, _stamp: &Stamp) -> Option<Learned> {
            Some(self.0.clone())
        }

        fn keep(&self, _file: &File, _before: &Stamp, _learned: &Learned) {}

        fn count(&self, _bytes: u64) {}
    }

    #[test]
    fn only_what_the_same_reader_saw_is_believed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let seen = Seen { reader: "first byte".to_owned(), facts: "120".to_owned() };
        let known = KnowsIt(Learned { hash: Digest::blake3(b"xyz"), md5: None, seen: Some(seen) });
        let check = |name, md5, expect: u8| {
            let reader = Reader { known: &known, name, place: None, md5 };
            assert_eq!(reader.read(file.path(), first_byte).unwrap().0, Ok(expect), "{name}");
        };
        check("first byte", Md5Wanted::No, b'x');
        check("first byte", Md5Wanted::Yes, b'a');
        check("last byte", Md5Wanted::No, b'a');
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let reader = Reader { known: &NothingKnown, name: "", place: None, md5: Md5Wanted::No };
        let error = reader.read(file.path(), |_| {
            std::fs::write(file.path(), "abcd").unwrap();
            Ok(())
        });
        assert!(matches!(error, Err(ModelError::Changed { .. })), "{error:?}");
    }

    #[test]
    fn what_is_not_looked_at_is_hashed_too() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let reader =
            Reader { known: &NothingKnown, name: "first byte", place: None, md5: Md5Wanted::Yes };
        let (first, read) = reader.read(file.path(), first_byte).unwrap();
        assert_eq!(first, Ok(b'a'));
        assert_eq!(read.fingerprint, Fingerprint::of(b"abc"));
        assert_eq!(read.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
    }
}
