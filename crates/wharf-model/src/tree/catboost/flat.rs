//! FlatBuffers, as far as CatBoost's files need them: tables, vectors and texts, each looked at only where it is.
//!
//! A table begins with the distance back to its list of fields, which has, for each slot, the distance from the
//! table to the value; zero where the value is left out. Every distance is checked against the bytes.

use crate::error::ReadError;

/// A table of fields by slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: usize,
    fields_end: usize,
}

impl<'a> Table<'a> {
    /// Returns the table that the first four bytes point at.
    pub(super) fn root(bytes: &'a [u8]) -> Result<Self, ReadError> {
        Self::at(bytes, follow(bytes, 0)?)
    }

    fn at(bytes: &'a [u8], at: usize) -> Result<Self, ReadError> {
        let back = i64::from(i32::from_le_bytes(array(bytes, at)?));
        let fields = i64::try_from(at).ok().and_then(|at| usize::try_from(at - back).ok());
        let fields = fields.ok_or_else(outside)?;
        let size = usize::from(u16::from_le_bytes(array(bytes, fields)?));
        Ok(Self { bytes, at, fields, fields_end: fields + size })
    }

    /// Returns where the value of a slot lies; `None` where it is left out.
    fn field(&self, slot: usize) -> Result<Option<usize>, ReadError> {
        // The sizes of the list itself and of the table stand in front.
        let entry = self.fields + 4 + 2 * slot;
        if entry + 2 > self.fields_end {
            return Ok(None);
        }
        let distance = usize::from(u16::from_le_bytes(array(self.bytes, entry)?));
        Ok((distance != 0).then_some(self.at + distance))
    }

    /// Returns the bytes of a scalar.
    pub(super) fn scalar<const N: usize>(&self, slot: usize) -> Result<Option<[u8; N]>, ReadError> {
        self.field(slot)?.map(|at| array(self.bytes, at)).transpose()
    }

    /// Returns the items of a vector, each of `N` bytes; none where it is left out.
    pub(super) fn vector<const N: usize>(&self, slot: usize) -> Result<&'a [[u8; N]], ReadError> {
        let Some(at) = self.field(slot)? else { return Ok(&[]) };
        Ok(items(self.bytes, follow(self.bytes, at)?)?.1)
    }

    /// Returns a table within this one.
    pub(super) fn table(&self, slot: usize) -> Result<Option<Self>, ReadError> {
        let Some(at) = self.field(slot)? else { return Ok(None) };
        Ok(Some(Self::at(self.bytes, follow(self.bytes, at)?)?))
    }

    /// Returns the tables of a vector of tables, in order.
    pub(super) fn tables(
        &self,
        slot: usize,
    ) -> Result<impl Iterator<Item = Result<Self, ReadError>> + use<'a>, ReadError> {
        let bytes = self.bytes;
        let (start, items): (usize, &[[u8; 4]]) = match self.field(slot)? {
            Some(at) => items(bytes, follow(bytes, at)?)?,
            None => (0, &[]),
        };
        Ok((0..items.len()).map(move |index| Self::at(bytes, follow(bytes, start + 4 * index)?)))
    }

    /// Returns a text; empty where it is left out.
    pub(super) fn text(&self, slot: usize) -> Result<&'a str, ReadError> {
        std::str::from_utf8(self.vector::<1>(slot)?.as_flattened())
            .map_err(|_| ReadError::corrupt("a text in the file is not UTF-8"))
    }
}

/// Returns where a distance leads that lies at a place.
fn follow(bytes: &[u8], at: usize) -> Result<usize, ReadError> {
    let distance = u32::from_le_bytes(array(bytes, at)?);
    at.checked_add(distance as usize).filter(|at| *at < bytes.len()).ok_or_else(outside)
}

/// Returns the place of the first item of a vector, and the items.
fn items<const N: usize>(bytes: &[u8], at: usize) -> Result<(usize, &[[u8; N]]), ReadError> {
    let count = u32::from_le_bytes(array(bytes, at)?) as usize;
    let start = at + 4;
    let (items, _) = bytes[start..].as_chunks();
    Ok((start, items.get(..count).ok_or_else(outside)?))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ReadError> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(outside)
}

fn outside() -> ReadError {
    ReadError::corrupt("the file points outside of itself: it is cut off or changed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A table with a number in slot 0, a vector in slot 1 and itself in slot 2.
    fn small() -> Vec<u8> {
        let mut bytes = vec![16, 0, 0, 0]; // 0: the root is at 16
        bytes.extend([10, 0, 16, 0, 4, 0, 8, 0, 12, 0, 0, 0]); // 4: the list of fields
        bytes.extend([12, 0, 0, 0]); // 16: the list lies 12 bytes before
        bytes.extend([7, 0, 0, 0]); // 20: slot 0
        bytes.extend([8, 0, 0, 0]); // 24: slot 1, the vector at 32
        bytes.extend([0, 0, 0, 0]); // 28: slot 2 cannot point back
        bytes.extend([2, 0, 0, 0, b'h', b'i']); // 32
        bytes
    }

    #[test]
    fn fields_are_found_and_missing_ones_are_missing() {
        let bytes = small();
        let root = Table::root(&bytes).unwrap();
        assert_eq!(root.scalar(0).unwrap().map(i32::from_le_bytes), Some(7));
        assert_eq!(root.text(1).unwrap(), "hi");
        assert_eq!(root.scalar::<4>(3).unwrap(), None);
        assert!(root.vector::<8>(9).unwrap().is_empty());
    }

    #[test]
    fn distances_and_counts_outside_of_the_bytes_are_errors() {
        for (at, value) in [(0, 200), (16, 200), (16, 0x80), (24, 250), (32, 3)] {
            let mut bytes = small();
            bytes[at] = value;
            let read = Table::root(&bytes).and_then(|root| root.text(1).map(str::to_owned));
            assert!(read.is_err() || at == 16, "{at}: {read:?}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(at in 0_usize..38, value in any::<u8>(), cut in 0_usize..39) {
            let mut bytes = small();
            bytes[at] = value;
            bytes.truncate(cut);
            if let Ok(root) = Table::root(&bytes) {
                root.text(1).ok();
                root.scalar::<8>(0).ok();
                root.table(2).ok();
                if let Ok(tables) = root.tables(1) {
                    tables.for_each(drop);
                }
            }
        }
    }
}
