//! Frames to and from one worker, over a socket pair, with blocking reads that look up now and then.
//!
//! A frame, little-endian: u32 length of the rest, u8 kind, u64 id, u32 length of the header, header (JSON), buffers.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

/// What a frame may have, in either direction; `MAX_FRAME` in `worker.py`.
pub(super) const MAX_FRAME: usize = 256 << 20;

/// Kind, id, and length of the header.
const PREFIX: usize = 1 + 8 + 4;

/// How often a blocked read or write looks whether it should go on.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What a frame is. Kept: 8 ping, 9 pong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// To the worker: the card, and how to run it.
    Hello = 1,
    /// From the worker: the model is loaded and warm.
    Ready = 2,
    /// To the worker: a method and its arguments.
    Call = 3,
    /// From the worker: what the method returned, or that all of it went in pieces.
    Result = 4,
    /// From the worker: what the model raised.
    Error = 5,
    /// From the worker: a piece of an answer.
    Chunk = 6,
    /// To the worker: no more pieces are wanted.
    Cancel = 7,
    /// To the worker: end.
    Bye = 10,
}

/// A frame that was read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) id: u64,
    header: Vec<u8>,
    pub(super) buffers: Vec<u8>,
}

/// Why no frame was sent or read. After any of these the channel is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChannelError {
    #[error("the worker ended")]
    Closed,
    #[error("the worker took too long")]
    TimedOut,
    #[error("the server is being stopped")]
    Stopped,
    /// The worker does not speak as it should: a model that writes to descriptors which are not its own.
    #[error("the worker sent something that is no answer: {0}")]
    Protocol(String),
}

/// How long to wait for the worker.
#[derive(Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) until: Instant,
    /// Asked at every tick; its error ends the wait.
    pub(super) go_on: &'a dyn Fn() -> Result<(), ChannelError>,
}

/// The server's end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
}

impl Channel {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        Ok(Self { socket })
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, mut bytes: &[u8], wait: Wait<'_>) -> Result<(), ChannelError> {
        while !bytes.is_empty() {
            if Instant::now() >= wait.until {
                return Err(ChannelError::TimedOut);
            }
            let written = self.socket.write(bytes);
            bytes = &bytes[wait.count(written)?..];
        }
        Ok(())
    }

    /// Reads the next frame.
    pub(super) fn receive(&mut self, wait: Wait<'_>) -> Result<Message, ChannelError> {
        let length = u32::from_le_bytes(self.read_array(wait)?) as usize;
        if !(PREFIX..=MAX_FRAME).contains(&length) {
            return Err(ChannelError::Protocol(format!("a frame of {length} bytes")));
        }
        let [kind] = self.read_array(wait)?;
        let kind = Kind::from_byte(kind)
            .ok_or_else(|| ChannelError::Protocol(format!("a frame of kind {kind}")))?;
        let id = u64::from_le_bytes(self.read_array(wait)?);
        let header = u32::from_le_bytes(self.read_array(wait)?) as usize;
        let Some(buffers) = (length - PREFIX).checked_sub(header) else {
            return Err(ChannelError::Protocol(
                "a header that is longer than its frame".to_owned(),
            ));
        };
        let header = self.read_bytes(header, wait)?;
        let buffers = self.read_bytes(buffers, wait)?;
        Ok(Message { kind, id, header, buffers })
    }

    fn read_array<const N: usize>(&mut self, wait: Wait<'_>) -> Result<[u8; N], ChannelError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, wait)?;
        Ok(bytes)
    }

    /// Reads in pieces, so that memory grows with what comes and not with what is announced.
    fn read_bytes(&mut self, size: usize, wait: Wait<'_>) -> Result<Vec<u8>, ChannelError> {
        const PIECE: usize = 1 << 20;
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let start = bytes.len();
            bytes.resize(size.min(start + PIECE), 0);
            self.fill(&mut bytes[start..], wait)?;
        }
        Ok(bytes)
    }

    fn fill(&mut self, mut bytes: &mut [u8], wait: Wait<'_>) -> Result<(), ChannelError> {
        while !bytes.is_empty() {
            if Instant::now() >= wait.until {
                return Err(ChannelError::TimedOut);
            }
            let read = self.socket.read(bytes);
            if matches!(read, Ok(0)) {
                return Err(ChannelError::Closed);
            }
            let count = wait.count(read)?;
            bytes = &mut bytes[count..];
        }
        Ok(())
    }
}

impl Wait<'_> {
    /// Returns how many bytes went through; none after a tick without any.
    fn count(self, done: io::Result<usize>) -> Result<usize, ChannelError> {
        match done {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                (self.go_on)().map(|()| 0)
            }
            Err(_) => Err(ChannelError::Closed),
        }
    }
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Hello,
            Self::Ready,
            Self::Call,
            Self::Result,
            Self::Error,
            Self::Chunk,
            Self::Cancel,
            Self::Bye,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl Message {
    /// Reads the header.
    pub(super) fn header<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        serde_json::from_slice(&self.header)
            .map_err(|error| ChannelError::Protocol(format!("a header that is wrong: {error}")))
    }
}

/// Returns the bytes of a frame; `None` when it would be larger than [`MAX_FRAME`].
pub(super) fn frame(
    kind: Kind,
    id: u64,
    header: &impl Serialize,
    buffers: &[u8],
) -> Option<Vec<u8>> {
    let header = serde_json::to_vec(header).expect("headers are plain data with text as keys");
    let length = PREFIX + header.len() + buffers.len();
    if length > MAX_FRAME {
        return None;
    }
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(buffers);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Channel::new(ours).unwrap(), theirs)
    }

    fn soon() -> Wait<'static> {
        Wait { until: Instant::now() + Duration::from_millis(150), go_on: &|| Ok(()) }
    }

    fn check_refused(bytes: &[u8], expect: &str) {
        let (mut channel, mut theirs) = pair();
        theirs.write_all(bytes).unwrap();
        assert_eq!(channel.receive(soon()).unwrap_err().to_string(), expect);
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let (mut channel, mut theirs) = pair();
        let bytes = frame(Kind::Result, 7, &json!({"a": 1}), b"12345678").unwrap();
        theirs.write_all(&bytes).unwrap();
        let message = channel.receive(soon()).unwrap();
        assert_eq!((message.kind, message.id), (Kind::Result, 7));
        assert_eq!(message.header::<Value>().unwrap(), json!({"a": 1}));
        assert_eq!(message.buffers, b"12345678");
    }

    #[test]
    fn nonsense_is_refused() {
        let what = "the worker sent something that is no answer";
        check_refused(b"\xff\xff\xff\xff", &format!("{what}: a frame of 4294967295 bytes"));
        check_refused(b"\0\0\0\0", &format!("{what}: a frame of 0 bytes"));
        check_refused(b"\x0d\0\0\0\x63", &format!("{what}: a frame of kind 99"));
        let long = [&[13, 0, 0, 0, 4][..], &[0; 8], &[9, 0, 0, 0]].concat();
        check_refused(&long, &format!("{what}: a header that is longer than its frame"));
    }

    #[test]
    fn silence_and_half_a_frame_end_at_the_limit() {
        check_refused(b"", "the worker took too long");
        check_refused(b"\x0d\0\0\0\x04", "the worker took too long");
    }

    #[test]
    fn a_closed_socket_is_the_end_of_the_worker() {
        let (mut channel, theirs) = pair();
        drop(theirs);
        assert_eq!(channel.receive(soon()).unwrap_err(), ChannelError::Closed);
    }

    #[test]
    fn whoever_waits_can_be_stopped() {
        let (mut channel, _theirs) = pair();
        let until = Instant::now() + Duration::from_secs(60);
        let wait = Wait { until, go_on: &|| Err(ChannelError::Stopped) };
        assert_eq!(channel.receive(wait).unwrap_err(), ChannelError::Stopped);
    }
}
