//! A layer not yet written: a recipe that can be replayed, so that no layer is ever whole in memory.

pub(crate) mod tar;

use std::{io::Write, path::PathBuf};

use wharf_spec::{digest::Digest, stamp::Stamp};

use crate::{archive::pad, blob::Hashing, error::Result};

/// One file, folder or link of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies in the image, without a leading `/`.
    pub path: String,
    pub mode: Mode,
    pub content: Content,
}

/// The two modes that layers have: sources' own modes depend on a umask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0644
    Plain,
    /// 0755
    Executable,
}

/// What an entry is, and where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Folder,
    /// A symbolic link, wherever it leads.
    Link {
        target: PathBuf,
    },
    Bytes(Vec<u8>),
    File {
        path: PathBuf,
        /// Bytes; a file of another size is refused when the layer is written.
        size: u64,
    },
}

impl Content {
    /// Returns the number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Folder | Self::Link { .. } => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// The recipe of a layer: files in order of their paths, all owned by root, all of one constant time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    entries: Vec<Entry>,
    measure: Option<Measure>,
}

/// What a layer was found to be, and in which state its files were then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Of the uncompressed tar: OCI's `diff_id`.
    pub digest: Digest,
    /// Bytes of the uncompressed tar.
    pub size: u64,
    /// One for each entry; none for what is no file of the disk.
    pub stamps: Vec<Option<Stamp>>,
}

impl Layer {
    /// Changes when the same entries would be written otherwise.
    pub const FRAMING: &str = "tar v1";

    /// Returns a recipe of these files.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries, measure: None }
    }

    /// Returns what is in it, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the same layer with its digest known: it is not read for that again, and whoever writes it refuses
    /// files that are no longer as they were measured.
    #[must_use]
    pub fn measured(self, measure: Measure) -> Self {
        Self { measure: Some(measure), ..self }
    }

    /// Writes the layer as an uncompressed tar.
    ///
    /// # Errors
    /// When a file cannot be read, changed while or since it was measured, or the writer fails.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        let expected = self.measure.as_ref().map(|measure| measure.stamps.as_slice());
        tar::write(&self.entries, expected, writer).map(drop)
    }

    /// Reads all files once for the digest of the layer.
    ///
    /// # Errors
    /// When a file cannot be read, or changes meanwhile.
    pub fn measure(&self) -> Result<Measure> {
        let mut hashing = Hashing::new();
        let stamps = tar::write(&self.entries, None, &mut hashing)?;
        let (digest, size) = hashing.finish();
        Ok(Measure { digest, size, stamps })
    }

    /// Returns the digest of the uncompressed tar (OCI's `diff_id`) and its size; all files are read once for it,
    /// unless it is known.
    ///
    /// # Errors
    /// As [`Layer::measure`].
    pub fn digest(&self) -> Result<(Digest, u64)> {
        match &self.measure {
            Some(Measure { digest, size, .. }) => Ok((*digest, *size)),
            None => self.measure().map(|Measure { digest, size, .. }| (digest, size)),
        }
    }
}

/// The digest of a layer with one file, whose bytes somebody else reads.
pub struct OneFile {
    hashing: Hashing,
    size: u64,
    left: u64,
}

impl std::fmt::Debug for OneFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneFile").field("left", &self.left).finish_non_exhaustive()
    }
}

impl OneFile {
    /// Begins with what comes before the bytes.
    ///
    /// # Errors
    /// When the path cannot stand in a layer.
    pub fn new(path: &str, mode: Mode, size: u64) -> Result<Self> {
        let mut hashing = Hashing::new();
        hashing.update(&tar::file_head(path, mode, size)?);
        Ok(Self { hashing, size, left: size })
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.left = self.left.wrapping_sub(bytes.len() as u64);
        self.hashing.update(bytes);
    }

    /// Returns what [`Layer::digest`] returns for the same file, or nothing when it had another size.
    pub fn finish(mut self) -> Option<(Digest, u64)> {
        if self.left != 0 {
            return None;
        }
        pad(&mut self.hashing, self.size).ok()?;
        self.hashing.update(&tar::END);
        Some(self.hashing.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::OciError;

    fn entry(path: &str, content: Content) -> Entry {
        Entry { path: path.to_owned(), mode: Mode::Plain, content }
    }

    #[test]
    fn order_place_and_age_of_the_files_make_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "abc").unwrap();
        let one = Layer::new(vec![
            entry("b", Content::Bytes(b"1".to_vec())),
            entry("a", Content::File { path: file, size: 3 }),
        ]);
        let other = Layer::new(vec![
            entry("a", Content::Bytes(b"abc".to_vec())),
            entry("b", Content::Bytes(b"1".to_vec())),
        ]);
        assert_eq!(one.digest().unwrap(), other.digest().unwrap());
    }

    #[test]
    fn a_file_that_changed_its_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "abcd").unwrap();
        for size in [3, 5] {
            let layer = Layer::new(vec![entry("a", Content::File { path: file.clone(), size })]);
            assert!(layer.digest().is_err(), "{size} bytes were expected, 4 are there");
        }
    }

    #[test]
    fn a_file_that_changed_since_it_was_measured_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "abc").unwrap();
        let layer = Layer::new(vec![entry("a", Content::File { path: file.clone(), size: 3 })]);
        let measure = layer.measure().unwrap();
        let layer = layer.measured(measure.clone());
        layer.write(io::sink()).unwrap();
        let times = std::fs::metadata(&file).unwrap();
        // Its time of change differs by more than a tick of the file system's clock.
        std::thread::sleep(std::time::Duration::from_millis(30));
        std::fs::write(&file, "abd").unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(times.modified().unwrap()).unwrap();
        assert!(matches!(layer.write(io::sink()), Err(OciError::Changed { .. })));
        assert_eq!(layer.digest().unwrap(), (measure.digest, measure.size));
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        struct Meddler<'a>(&'a std::path::Path);

        impl Write for Meddler<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::fs::write(self.0, "abcd")?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "abc").unwrap();
        let layer = Layer::new(vec![entry("a", Content::File { path: file.clone(), size: 3 })]);
        let error = layer.write(Meddler(&file));
        assert!(matches!(error, Err(OciError::Changed { .. })), "{error:?}");
    }

    #[test]
    fn a_layer_of_one_file_is_the_same_by_whoever_reads_it() {
        let deep = format!("{}file", "deep/".repeat(60));
        for (path, content) in [("a", ""), ("model/weights", "abc"), (deep.as_str(), "abc")] {
            let bytes = Content::Bytes(content.into());
            let layer = Layer::new(vec![entry(path, bytes)]);
            let mut one = OneFile::new(path, Mode::Plain, content.len() as u64).unwrap();
            content.as_bytes().chunks(2).for_each(|piece| one.update(piece));
            assert_eq!(one.finish(), Some(layer.digest().unwrap()), "{path}");
        }
        let mut short = OneFile::new("a", Mode::Plain, 3).unwrap();
        short.update(b"ab");
        assert_eq!(short.finish(), None);
    }

    #[test]
    fn folders_and_links_are_written_as_such() {
        let link = |target: &str| Content::Link { target: target.into() };
        let far = "far/".repeat(60);
        let layer = Layer::new(vec![
            entry("empty", Content::Folder),
            entry("out", link("../../etc/passwd")),
            entry("far", link(&far)),
        ]);
        let mut bytes = Vec::new();
        layer.write(&mut bytes).unwrap();
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let shown: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let target = entry.link_name().unwrap().unwrap_or_default();
                let kind = entry.header().entry_type();
                let mode = entry.header().mode().unwrap();
                format!(
                    "{} {kind:?} {mode:o} {}",
                    entry.path().unwrap().display(),
                    target.display()
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "empty/ Directory 755 ".to_owned(),
                format!("far Symlink 777 {far}"),
                "out Symlink 777 ../../etc/passwd".to_owned(),
            ]
        );
    }

    #[test]
    fn a_large_file_passes_through_in_pieces() {
        const SIZE: u64 = 1 << 30;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::File::create(&path).unwrap().set_len(SIZE).unwrap();
        let layer = Layer::new(vec![entry("weights", Content::File { path, size: SIZE })]);
        let (_, size) = layer.digest().unwrap();
        assert!(size > SIZE);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 256 << 10, "{kib} KiB were resident for a layer of 1 GiB");
    }

    #[test]
    fn long_paths_survive() {
        let path = format!("{}/file", "deep/".repeat(60).trim_end_matches('/'));
        let layer = Layer::new(vec![entry(&path, Content::Bytes(b"x".to_vec()))]);
        let mut bytes = Vec::new();
        layer.write(&mut bytes).unwrap();
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        assert_eq!(found, [std::path::PathBuf::from(path)]);
    }
}
