//! Little-endian fields of a header, one after the other.

use super::error::Fault;

/// What is left of the header.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(Fault::Archive("a header is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u16(&mut self) -> Result<u64, Fault> {
        self.number(2)
    }

    pub(super) fn u32(&mut self) -> Result<u64, Fault> {
        self.number(4)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.number(8)
    }

    fn number(&mut self, width: u64) -> Result<u64, Fault> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}
