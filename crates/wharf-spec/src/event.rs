//! What operations report while they work. The command line and the server turn it into text.

use crate::{digest::Digest, model::RiskLevel};

/// Something happened. Times are milliseconds, sizes bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A model was recognised.
    Recognised {
        file: String,
        kind: String,
        runtime: String,
        /// `4 inputs → 3 classes`.
        summary: String,
        size: u64,
        hash: Digest,
    },
    /// Something about the model that a person should know.
    Risk { level: RiskLevel, text: String },
    /// The folder of an app was read: what of it goes to the builder.
    ContextRead { folder: String, dockerfile: String, files: usize, size: u64 },
    /// Work begins that may take a while: `installing 3 requirements`.
    Started { what: String },
    /// A line of a tool that works for us, such as pip.
    Output { line: String },
    /// An image is there.
    ImageReady {
        reference: String,
        id: String,
        /// `python:3.11-slim + server`, `Dockerfile`.
        made_of: String,
        size: u64,
        /// It was there already; nothing was built.
        reused: bool,
        took_ms: u64,
    },
    /// So much of an image's layers was sent to the engine; the rest of `size` it had.
    ImageSent { sent: u64, size: u64 },
    /// So much of the packages that are being downloaded is here; a size of 0 is not known.
    Fetching { received: u64, size: u64 },
    /// So much of an image's layers is on its way to a registry.
    Pushing { sent: u64, size: u64 },
    /// So much of an image's layers has come from a registry.
    Pulling { received: u64, size: u64 },
    /// A layer is where it should be; `how` says how it came there: `sent`, `fetched`, `there already`.
    LayerMoved { layer: Digest, size: u64, how: String },
    /// So many bytes of files were read for their hashes; `not_kept` says why the next command reads them again.
    Hashed { bytes: u64, not_kept: Option<String> },
    /// So many rows of a table have their answer, when `read` bytes of its `size` had been read.
    Predicted { rows: u64, read: u64, size: Option<u64> },
    /// A container was started; not ready yet.
    Starting { name: String, engine: String, project: String },
    /// A service answers.
    Healthy { name: String, url: Option<String>, took_ms: u64 },
    /// Nothing had to be done.
    Unchanged { name: String, url: Option<String> },
    /// An older generation was ended.
    Replaced { name: String, generation: u64 },
    /// A service was ended and removed.
    Removed { name: String },
    /// Another command works on the same service; `holder` says which.
    Waiting { on: String, holder: String },
    /// Good to know.
    Note { text: String },
}
