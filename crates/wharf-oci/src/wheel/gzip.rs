//! A gzip stream of many members (RFC 1952): some compressed here, some taken over as they lie in a zip archive.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Deflate; no name, no time, of an unknown system.
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

const LEVEL: u32 = 6;

pub(super) struct GzipWriter<'a> {
    out: &'a mut dyn Write,
    deflate: Compress,
    crc: Crc,
    /// What was compressed of the open member; none is open at 0, since none is empty.
    size: u64,
    buffer: Vec<u8>,
}

impl<'a> GzipWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            deflate: Compress::new(Compression::new(LEVEL), false),
            crc: Crc::new(),
            size: 0,
            buffer: vec![0; 64 << 10],
        }
    }

    /// Compresses bytes into a member that stays open for more.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.size == 0 {
            self.out.write_all(&HEADER)?;
        }
        self.size += bytes.len() as u64;
        self.crc.update(bytes);
        while !bytes.is_empty() {
            let (read, _) = self.deflate(bytes, FlushCompress::None)?;
            bytes = &bytes[read..];
        }
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.close()?;
        self.out.flush()
    }

    /// Ends the open member.
    fn close(&mut self) -> io::Result<()> {
        if self.size == 0 {
            return Ok(());
        }
        while self.deflate(&[], FlushCompress::Finish)?.1 != Status::StreamEnd {}
        let (crc, size) = (self.crc.sum(), self.size);
        self.end_member(crc, size)?;
        self.deflate.reset();
        self.crc.reset();
        self.size = 0;
        Ok(())
    }

    fn deflate(&mut self, bytes: &[u8], flush: FlushCompress) -> io::Result<(usize, Status)> {
        let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
        let status = self.deflate.compress(bytes, &mut self.buffer, flush)?;
        let count = |now: u64, before| usize::try_from(now - before).expect("within a buffer");
        self.out.write_all(&self.buffer[..count(self.deflate.total_out(), written)])?;
        Ok((count(self.deflate.total_in(), read), status))
    }

    /// Begins a member whose deflate stream follows by [`Self::raw`].
    pub(super) fn begin_raw(&mut self) -> io::Result<()> {
        self.close()?;
        self.out.write_all(&HEADER)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Ends a member by checksum and size of what its stream unpacks to.
    pub(super) fn end_member(&mut self, crc: u32, size: u64) -> io::Result<()> {
        self.out.write_all(&crc.to_le_bytes())?;
        self.out.write_all(&size.to_le_bytes()[..4])
    }
}
