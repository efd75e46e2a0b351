//! The bytes of a layer as it is stored and sent, from wherever they come.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wharf_spec::digest::{Algorithm, Digest};

use crate::{
    descriptor::Descriptor,
    error::{OciError, Result},
    layer::Layer,
};

/// How much of a file is read at once.
const PIECE: usize = 1 << 20;

/// Bytes that can be written as often as they are asked for, always the same.
pub trait Blob: fmt::Debug + Send + Sync {
    /// Writes all of them, in pieces. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When they cannot be read, are no longer what they were, or the writer fails.
    fn write(&self, writer: &mut dyn Write) -> Result<()>;
}

impl Blob for Layer {
    fn write(&self, writer: &mut dyn Write) -> Result<()> {
        Self::write(self, writer)
    }
}

impl Blob for Bytes {
    fn write(&self, writer: &mut dyn Write) -> Result<()> {
        writer.write_all(self).map_err(OciError::Write)
    }
}

/// A blob that is a file, or lies in one: a folder of blobs, an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileBlob {
    pub path: PathBuf,
    /// Where in the file it begins.
    pub offset: u64,
    /// What it must be; it is checked each time that it is written.
    pub descriptor: Descriptor,
}

impl Blob for FileBlob {
    fn write(&self, writer: &mut dyn Write) -> Result<()> {
        let read = |source| OciError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(read)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(read)?;
        let mut checked = Checked::new(&self.descriptor, writer);
        let mut piece = vec![0; PIECE];
        loop {
            let left = usize::try_from(checked.left()).unwrap_or(PIECE).min(PIECE);
            let count = file.read(&mut piece[..left]).map_err(read)?;
            if count == 0 {
                return checked.finish();
            }
            checked.write(&piece[..count])?;
        }
    }
}

/// A blob that keeps what its bytes lie in, such as a file that is removed with its last user.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) content: Arc<dyn Blob>,
    pub(crate) _kept: Arc<dyn fmt::Debug + Send + Sync>,
}

impl Blob for Keeping {
    fn write(&self, writer: &mut dyn Write) -> Result<()> {
        self.content.write(writer)
    }
}

/// A layer that an engine has and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlyInEngine {
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
}

impl Blob for OnlyInEngine {
    fn write(&self, _: &mut dyn Write) -> Result<()> {
        Err(OciError::OnlyInEngine { diff_id: self.diff_id })
    }
}

/// Passes foreign bytes on, and sees whether they are those that were named. Nothing beyond the size passes; whether
/// the digest is right shows at the end, so what was written is not to be used before [`Checked::finish`].
pub(crate) struct Checked<'a> {
    descriptor: &'a Descriptor,
    writer: &'a mut dyn Write,
    hash: Sha256,
    size: u64,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(descriptor: &'a Descriptor, writer: &'a mut dyn Write) -> Self {
        Self { descriptor, writer, hash: Sha256::new(), size: 0 }
    }

    /// Returns how many bytes have passed.
    pub(crate) fn at(&self) -> u64 {
        self.size
    }

    /// Returns how many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.descriptor.size - self.size
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.left() {
            return Err(self.wrong(format!("it is larger than {} bytes", self.descriptor.size)));
        }
        self.size += bytes.len() as u64;
        self.hash.update(bytes);
        self.writer.write_all(bytes).map_err(OciError::Write)
    }

    /// Says whether all bytes came, and are the right ones.
    pub(crate) fn finish(self) -> Result<()> {
        if self.left() > 0 {
            let (has, size) = (self.size, self.descriptor.size);
            return Err(self.wrong(format!("it ends after {has} of {size} bytes")));
        }
        let found = Digest::new(Algorithm::Sha256, self.hash.clone().finalize().into());
        if found != self.descriptor.digest {
            return Err(self.wrong(format!("its bytes have the digest {found}")));
        }
        Ok(())
    }

    fn wrong(&self, why: String) -> OciError {
        OciError::Blob { digest: self.descriptor.digest, why }
    }
}

/// Takes bytes for their digest and their number.
pub(crate) struct Hashing {
    hash: Sha256,
    size: u64,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Self { hash: Sha256::new(), size: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        (Digest::new(Algorithm::Sha256, self.hash.finalize().into()), self.size)
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::digest_of;

    /// Writes a blob of a file that holds `0123456789`.
    fn check(offset: u64, size: u64, digest: Digest) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let descriptor = Descriptor { media_type: "x".to_owned(), digest, size };
        let mut written = Vec::new();
        let result = FileBlob { path, offset, descriptor }.write(&mut written);
        result.map(|()| written).map_err(|error| error.to_string())
    }

    #[test]
    fn a_blob_is_the_part_of_its_file() {
        assert_eq!(check(3, 4, digest_of(b"3456")).unwrap(), b"3456");
        assert_eq!(check(0, 0, digest_of(b"")).unwrap(), b"");
    }

    #[test]
    fn a_blob_that_is_cut_off_or_another_one_is_refused() {
        assert!(check(3, 40, digest_of(b"3456")).unwrap_err().contains("ends after 7 of 40"));
        assert!(check(3, 4, digest_of(b"3457")).unwrap_err().contains("have the digest"));
    }

    #[test]
    fn nothing_passes_beyond_the_size() {
        let descriptor =
            Descriptor { media_type: "x".to_owned(), digest: digest_of(b"ab"), size: 2 };
        let mut written = Vec::new();
        let mut checked = Checked::new(&descriptor, &mut written);
        checked.write(b"a").unwrap();
        assert!(checked.write(b"bc").unwrap_err().to_string().contains("larger than 2 bytes"));
        assert_eq!(written, b"a");
    }
}
