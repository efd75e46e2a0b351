//! One file out of a wheel that is known by its hash: `uv` itself.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use flate2::read::DeflateDecoder;

/// The longest end of an archive: its record and a comment of 64 KiB.
const LONGEST_END: u64 = 22 + 0xffff;

/// The largest table of contents that is read, in bytes.
const LARGEST_TABLE: usize = 1 << 20;

/// Copies the first file whose name ends so.
pub(super) fn extract(archive: &Path, ending: &str, into: &mut impl io::Write) -> io::Result<()> {
    let mut file = File::open(archive)?;
    let table = table(&mut file)?;
    let mut rest = table.as_slice();
    while let Some(entry) = Entry::next(&mut rest) {
        if entry.name.ends_with(ending.as_bytes()) {
            return entry.copy(file, into);
        }
    }
    Err(io::Error::other(format!("it has no file `{ending}`")))
}

/// Reads the table of contents, which stands at the end of the archive.
fn table(file: &mut File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LONGEST_END)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let at = end.windows(4).rposition(|bytes| bytes == b"PK\x05\x06");
    let record = at.and_then(|at| end.get(at..at + 22)).ok_or_else(damaged)?;
    let (length, start) = (number(&record[12..16]), number(&record[16..20]));
    if length > LARGEST_TABLE {
        return Err(damaged());
    }
    file.seek(SeekFrom::Start(start as u64))?;
    let mut table = vec![0; length];
    file.read_exact(&mut table)?;
    Ok(table)
}

struct Entry<'a> {
    name: &'a [u8],
    is_deflated: bool,
    compressed: u64,
    start: u64,
}

impl<'a> Entry<'a> {
    fn next(rest: &mut &'a [u8]) -> Option<Self> {
        let head = rest.get(..46).filter(|head| head.starts_with(b"PK\x01\x02"))?;
        let [name, extra, comment] = [28, 30, 32].map(|at| number(&head[at..at + 2]));
        let entry = Self {
            name: rest.get(46..46 + name)?,
            is_deflated: number(&head[10..12]) == 8,
            compressed: number(&head[20..24]) as u64,
            start: number(&head[42..46]) as u64,
        };
        *rest = rest.get(46 + name + extra + comment..)?;
        Some(entry)
    }

    fn copy(&self, mut file: File, into: &mut impl io::Write) -> io::Result<()> {
        file.seek(SeekFrom::Start(self.start))?;
        let mut head = [0; 30];
        file.read_exact(&mut head)?;
        if !head.starts_with(b"PK\x03\x04") {
            return Err(damaged());
        }
        let before = number(&head[26..28]) + number(&head[28..30]);
        file.seek(SeekFrom::Current(before as i64))?;
        let mut bytes = BufReader::new(file.take(self.compressed));
        if self.is_deflated {
            io::copy(&mut DeflateDecoder::new(bytes), into)?;
        } else {
            io::copy(&mut bytes, into)?;
        }
        Ok(())
    }
}

/// Reads a number of up to four bytes, the least first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
}

fn damaged() -> io::Error {
    io::Error::other("it is no zip archive")
}
