//! The bytes of a layer of wheels: a canonical tar, as a gzip stream in which large files keep the deflate streams of their wheels.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    Wheel,
    gzip::GzipWriter,
    install::{Content, Placed},
    unpack::{Stop, Unpacker},
    zip::{Member, Packing},
};
use crate::{
    blob::Hashing,
    error::{OciError, Result},
    layer::tar,
};

/// Bytes, unpacked. Smaller files are compressed together with the headers around them: as gzip members of their own they would
/// cost more bytes than that saves time.
const REUSED_FROM: u64 = 16 << 10;

/// Bytes of a wheel. Smaller wheels are compressed anew as a whole: they are mostly text, of which one file resembles the next.
const REUSING_FROM: u64 = 1 << 20;

const BLOCK: usize = 512;

pub(super) struct Stream<'a> {
    gzip: GzipWriter<'a>,
    /// Takes the uncompressed tar; without it, streams that are taken over are not even unpacked.
    plain: Option<&'a mut Hashing>,
    unpacker: Unpacker,
    /// Files in order of their paths are mostly of one wheel.
    open: Option<(PathBuf, File)>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(out: &'a mut dyn Write, plain: Option<&'a mut Hashing>) -> Self {
        Self { gzip: GzipWriter::new(out), plain, unpacker: Unpacker::new(), open: None }
    }

    pub(super) fn file(&mut self, wheel: &Wheel, file: &Placed) -> Result<()> {
        let size = match &file.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Member(at) => wheel.contents.members[*at].size,
        };
        let head = tar::file_head(&file.path, file.mode, size)?;
        self.compress(&head).map_err(OciError::Write)?;
        match &file.content {
            Content::Bytes(bytes) => self.compress(bytes).map_err(OciError::Write)?,
            Content::Member(at) => self.member(wheel, &wheel.contents.members[*at])?,
        }
        let beyond = usize::try_from(size % BLOCK as u64).expect("below a block");
        let padding = if beyond == 0 { 0 } else { BLOCK - beyond };
        self.compress(&[0; BLOCK][..padding]).map_err(OciError::Write)
    }

    /// Ends the tar, and the gzip stream.
    pub(super) fn finish(mut self) -> Result<()> {
        self.compress(&[0; 2 * BLOCK]).and_then(|()| self.gzip.finish()).map_err(OciError::Write)
    }

    fn compress(&mut self, bytes: &[u8]) -> io::Result<()> {
        compress(&mut self.gzip, &mut self.plain, bytes)
    }

    fn member(&mut self, wheel: &Wheel, member: &Member) -> Result<()> {
        let is_large = member.size >= REUSED_FROM && wheel.stamp.size >= REUSING_FROM;
        let reused = is_large && member.packing == Packing::Deflated;
        let mut archive = match self.open.take() {
            Some((path, archive)) if path == wheel.path => archive,
            _ => wheel.reopen()?,
        };
        let written = if reused {
            self.reuse(&mut archive, member)
        } else {
            let (gzip, plain) = (&mut self.gzip, &mut self.plain);
            let mut take = |piece: &[u8]| compress(gzip, plain, piece);
            self.unpacker.unpack(&mut archive, member, &mut |_| Ok(()), &mut take)
        };
        self.open = Some((wheel.path.clone(), archive));
        written.map_err(|stop| error_of(stop, &wheel.path, member))
    }

    fn reuse(&mut self, archive: &mut File, member: &Member) -> Result<(), Stop> {
        let gzip = &mut self.gzip;
        gzip.begin_raw().map_err(Stop::Taker)?;
        let mut raw = |piece: &[u8]| gzip.raw(piece);
        match &mut self.plain {
            Some(plain) => {
                self.unpacker.unpack(archive, member, &mut raw, &mut |piece| plain.write_all(piece))
            }
            None => self.unpacker.copy(archive, member, &mut raw),
        }?;
        self.gzip.end_member(member.crc, member.size).map_err(Stop::Taker)
    }
}

fn compress(
    gzip: &mut GzipWriter<'_>,
    plain: &mut Option<&mut Hashing>,
    bytes: &[u8],
) -> io::Result<()> {
    if let Some(plain) = plain {
        plain.write_all(bytes)?;
    }
    gzip.write(bytes)
}

/// Returns the error of a member whose bytes stopped.
pub(super) fn error_of(stop: Stop, wheel: &Path, member: &Member) -> OciError {
    match stop {
        Stop::Fault(fault) => OciError::Wheel(Box::new(fault.at(&member.name).of(wheel))),
        Stop::Taker(error) => OciError::Write(error),
    }
}
