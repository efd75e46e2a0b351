//! The bytes of one member, in pieces, as they lie in the archive and unpacked; size and checksum are checked.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{
    error::{Fault, Refusal},
    zip::{Member, Packing},
};

const PIECE: usize = 64 << 10;

/// Why the bytes stopped.
pub(super) enum Stop {
    Fault(Fault),
    /// Whoever took them could take no more.
    Taker(io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Buffers that serve one member after the other.
pub(super) struct Unpacker {
    inflate: Decompress,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

/// Takes a piece.
pub(super) type Taker<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new(false), packed: vec![0; PIECE], plain: vec![0; PIECE] }
    }

    /// Passes unpacked bytes to who can always take them.
    pub(super) fn pass(
        &mut self,
        reader: &mut (impl Read + Seek),
        member: &Member,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        let mut take = |piece: &[u8]| {
            take(piece);
            Ok(())
        };
        self.unpack(reader, member, &mut |_| Ok(()), &mut take).map_err(|stop| match stop {
            Stop::Fault(fault) => fault.at(&member.name),
            Stop::Taker(error) => Fault::Read(error).at(&member.name),
        })
    }

    /// Passes on the packed bytes alone, unchecked.
    pub(super) fn copy(
        &mut self,
        reader: &mut (impl Read + Seek),
        member: &Member,
        take: Taker<'_>,
    ) -> Result<(), Stop> {
        self.pieces(reader, member, |_, piece| take(piece).map_err(Stop::Taker))
    }

    /// Passes on the unpacked bytes and, piece by piece before them, the packed ones. All have passed when a fault is found at
    /// the end.
    pub(super) fn unpack(
        &mut self,
        reader: &mut (impl Read + Seek),
        member: &Member,
        take_packed: Taker<'_>,
        take: Taker<'_>,
    ) -> Result<(), Stop> {
        let mut sum = Sum { crc: Crc::new(), size: 0, member, take };
        self.inflate.reset(false);
        let mut ended = member.packing == Packing::Stored;
        self.pieces(reader, member, |this, piece| {
            take_packed(piece).map_err(Stop::Taker)?;
            match member.packing {
                Packing::Stored => sum.add(piece),
                Packing::Deflated => this.inflate(piece, &mut ended, &mut sum),
            }
        })?;
        if !ended {
            return Err(Fault::Damaged("its stream does not end").into());
        }
        sum.finish()
    }

    fn pieces(
        &mut self,
        reader: &mut (impl Read + Seek),
        member: &Member,
        mut each: impl FnMut(&mut Self, &[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        reader.seek(SeekFrom::Start(member.start)).map_err(Fault::Read)?;
        let mut left = member.packed;
        let mut buffer = std::mem::take(&mut self.packed);
        let mut done = Ok(());
        while left > 0 && done.is_ok() {
            let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = &mut buffer[..count];
            left -= count as u64;
            done = reader.read_exact(piece).map_err(|error| Fault::Read(error).into());
            done = done.and_then(|()| each(self, piece));
        }
        self.packed = buffer;
        done
    }

    fn inflate(
        &mut self,
        mut piece: &[u8],
        ended: &mut bool,
        sum: &mut Sum<'_>,
    ) -> Result<(), Stop> {
        while !*ended {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(piece, &mut self.plain, FlushDecompress::None)
                .map_err(|_| Fault::Damaged("its stream is not deflate"))?;
            let read = usize::try_from(self.inflate.total_in() - read).expect("within the piece");
            let written =
                usize::try_from(self.inflate.total_out() - written).expect("within the buffer");
            piece = &piece[read..];
            sum.add(&self.plain[..written])?;
            *ended = status == Status::StreamEnd;
            // A full buffer may hide more; otherwise it waits for the next piece.
            if written < self.plain.len() && !*ended && (piece.is_empty() || read == 0) {
                break;
            }
        }
        if piece.is_empty() {
            Ok(())
        } else {
            Err(Fault::Damaged("its stream ends before its bytes do").into())
        }
    }
}

struct Sum<'a> {
    crc: Crc,
    size: u64,
    member: &'a Member,
    take: Taker<'a>,
}

impl Sum<'_> {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.size += bytes.len() as u64;
        if self.size > self.member.size {
            return Err(Fault::Damaged("it is larger than it says").into());
        }
        self.crc.update(bytes);
        (self.take)(bytes).map_err(Stop::Taker)
    }

    fn finish(self) -> Result<(), Stop> {
        if self.size < self.member.size {
            return Err(Fault::Damaged("it is smaller than it says").into());
        }
        if self.crc.sum() != self.member.crc {
            return Err(Fault::Damaged("its checksum is another").into());
        }
        Ok(())
    }
}
