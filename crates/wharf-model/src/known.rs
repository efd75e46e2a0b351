//! What earlier commands learned of files, so that unchanged ones need not be read again.

use std::{fmt, fs::File};

use serde::{Deserialize, Serialize};
use wharf_spec::{digest::Digest, stamp::Stamp};

/// Keeps what was learned of files from one command to the next.
pub trait KnownFiles: fmt::Debug + Send + Sync {
    /// Returns what was learned of the file that was in exactly this state.
    fn find(&self, stamp: &Stamp) -> Option<Learned>;

    /// Takes what was learned of an open file that was in this state before it was read. Whoever keeps it looks at
    /// the state again: what cannot be relied upon is not kept, and that is no error.
    fn keep(&self, file: &File, before: &Stamp, learned: &Learned);

    /// Takes the number of bytes that were read for their hashes.
    fn count(&self, bytes: u64);

    /// Returns who else wants the bytes of a file that is about to be read, and goes to this path in a bundle.
    fn listener(&self, _place: &str, _size: u64) -> Option<Box<dyn Listener + '_>> {
        None
    }
}

/// Hears the bytes of a file while these are read for their hash, so that they need not be read again.
pub trait Listener {
    /// Takes the next bytes.
    fn hear(&mut self, bytes: &[u8]);

    /// Takes the BLAKE3 hash of all bytes. It is not called when the file changed meanwhile.
    fn finish(self: Box<Self>, hash: Digest);
}

/// What was learned of a file while it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// BLAKE3 of its content.
    pub hash: Digest,
    /// MD5 in hex, where it was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What a reader saw in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which reader it was, and how it was told to read.
    pub reader: String,
    /// What it saw, as JSON.
    pub facts: String,
}

/// Knows nothing: every file is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingKnown;

impl KnownFiles for NothingKnown {
    fn find(&self, _stamp: &Stamp) -> Option<Learned> {
        None
    }

    fn keep(&self, _file: &File, _before: &Stamp, _learned: &Learned) {}

    fn count(&self, _bytes: u64) {}
}
