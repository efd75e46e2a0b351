//! An answer that comes piece by piece.

use tokio::sync::mpsc;

use super::{CallError, Payload};

/// What comes next of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Piece(Payload),
    /// Nothing more: the answer is whole.
    Done,
    /// Nothing more: the answer broke off.
    Failed(CallError),
}

/// The events of one call, ended by one that is no piece. Dropped before that, it takes the call back.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// Pieces that may wait for their reader, and room for the last piece and the end.
const ROOM: usize = 8;

impl Events {
    /// Returns events, and where they are put in.
    pub(crate) fn channel() -> (mpsc::Sender<Event>, Self) {
        let (sender, receiver) = mpsc::channel(ROOM);
        (sender, Self(receiver))
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> Event {
        self.0.recv().await.unwrap_or_else(|| Event::Failed(CallError::lost()))
    }
}
