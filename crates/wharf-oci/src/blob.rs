//! The bytes of a layer as it is stored and sent, from wherever they come.

use std::{fmt, io::Write};

use crate::{error::Result, layer::Layer};

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
