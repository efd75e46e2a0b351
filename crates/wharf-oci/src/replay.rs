//! A recipe as a stream: written on a thread of its own, in pieces, as fast as somebody takes them.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::error::{OciError, Result};

/// The size of each piece but the last.
pub(crate) const PIECE: usize = 1 << 20;

/// Returns what a function writes, but for its first bytes. When the receiver is gone the function ends.
pub(crate) fn replay(
    skip: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<()> + Send + 'static,
) -> mpsc::Receiver<Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    // It owns nothing but the sender, and ends with the receiver: nobody needs to wait for it.
    drop(tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { sender, buffer: BytesMut::new(), skip };
        let written = write(&mut pieces).and_then(|()| pieces.finish().map_err(OciError::Write));
        if let Err(error) = written {
            pieces.sender.blocking_send(Err(error)).ok();
        }
    }));
    receiver
}

struct Pieces {
    sender: mpsc::Sender<Result<Bytes>>,
    buffer: BytesMut,
    skip: u64,
}

impl Pieces {
    fn send(&mut self, size: usize) -> io::Result<()> {
        let piece = self.buffer.split_to(size).freeze();
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(&mut self) -> io::Result<()> {
        let rest = self.buffer.len();
        if rest > 0 { self.send(rest) } else { Ok(()) }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        let taken = bytes.len().min(skipped + PIECE);
        self.buffer.extend_from_slice(&bytes[skipped..taken]);
        while self.buffer.len() >= PIECE {
            self.send(PIECE)?;
        }
        Ok(taken)
    }

    /// Does nothing: a piece that is not full waits for more.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sizes(skip: u64) -> Vec<usize> {
        let mut receiver = replay(skip, |writer| {
            for _ in 0..5 {
                writer.write_all(&vec![7; PIECE / 2 + 1]).map_err(OciError::Write)?;
                writer.flush().map_err(OciError::Write)?;
            }
            Ok(())
        });
        let mut sizes = Vec::new();
        while let Some(piece) = receiver.recv().await {
            sizes.push(piece.unwrap().len());
        }
        sizes
    }

    #[tokio::test]
    async fn all_pieces_but_the_last_are_of_one_size() {
        assert_eq!(sizes(0).await, [PIECE, PIECE, PIECE / 2 + 5]);
        assert_eq!(sizes(PIECE as u64 + 3).await, [PIECE, PIECE / 2 + 2]);
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_written() {
        let mut receiver = replay(0, |writer| {
            writer.write_all(&[1; PIECE]).map_err(OciError::Write)?;
            Err(OciError::Changed { path: "model.onnx".into() })
        });
        assert!(receiver.recv().await.unwrap().is_ok());
        let error = receiver.recv().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`model.onnx` changed while it was read");
    }
}
