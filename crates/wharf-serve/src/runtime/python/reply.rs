//! How an answer goes to its caller: whole, or piece by piece.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{channel::TICK, queue::stopping};
use crate::runtime::{CallError, Payload, events::Event};

/// Room that pieces leave for the end of an answer: one piece more, and that it is done.
const ROOM_FOR_THE_END: usize = 2;

/// The way to a caller.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(oneshot::Sender<Result<Payload, CallError>>),
    Pieces(mpsc::Sender<Event>),
}

impl Reply {
    /// Says whether the caller still waits.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Whole(answer) => !answer.is_closed(),
            Self::Pieces(events) => !events.is_closed(),
        }
    }

    /// Says whether the caller takes pieces.
    pub(super) fn takes_pieces(&self) -> bool {
        matches!(self, Self::Pieces(_))
    }

    /// Hands a piece on, and waits for its place as long as this: the caller may be slower than the model.
    ///
    /// # Errors
    /// When no more pieces should come.
    pub(super) fn piece(
        &self,
        payload: Payload,
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), CallError> {
        let Self::Pieces(events) = self else {
            return Err(CallError::Internal("a piece came where none was asked for".to_owned()));
        };
        let until = Instant::now() + limit;
        loop {
            // Asked for each piece: a worker that never pauses is never waited for.
            if stop() {
                return Err(stopping());
            }
            if events.capacity() > ROOM_FOR_THE_END || events.is_closed() {
                break;
            }
            if Instant::now() >= until {
                let text = format!("the caller took nothing for {} s", limit.as_secs());
                return Err(CallError::Unavailable(text));
            }
            thread::sleep(TICK / 10);
        }
        let left = |_| CallError::Unavailable("the caller has left".to_owned());
        events.try_send(Event::Piece(payload)).map_err(left)
    }

    /// Ends the answer; nothing is left to say where all of it went in pieces.
    pub(super) fn finish(self, answer: Result<Option<Payload>, CallError>) {
        match self {
            // An error on the way means that the caller has left.
            Self::Whole(caller) => {
                let nothing = || CallError::Internal("the worker answered nothing".to_owned());
                caller.send(answer.and_then(|answer| answer.ok_or_else(nothing))).ok();
            }
            Self::Pieces(caller) => {
                let (last, end) = match answer {
                    Ok(last) => (last, Event::Done),
                    Err(error) => (None, Event::Failed(error)),
                };
                for event in last.map(Event::Piece).into_iter().chain([end]) {
                    caller.try_send(event).ok();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::events::Events;

    fn number(number: usize) -> Payload {
        Payload::Json(json!(number))
    }

    #[tokio::test]
    async fn pieces_wait_for_their_reader_and_the_end_always_has_room() {
        let (sender, mut events) = Events::channel();
        let reply = Reply::Pieces(sender);
        let mut sent = 0;
        while reply.piece(number(sent), Duration::ZERO, &|| false).is_ok() {
            sent += 1;
        }
        assert!((1..20).contains(&sent), "{sent} pieces wait for a reader who does not read");
        reply.finish(Ok(Some(number(sent))));
        for piece in 0..=sent {
            assert_eq!(events.next().await, Event::Piece(number(piece)));
        }
        assert_eq!(events.next().await, Event::Done);
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_is_no_whole_answer() {
        let (sender, mut events) = Events::channel();
        let reply = Reply::Pieces(sender);
        reply.piece(number(1), Duration::ZERO, &|| false).unwrap();
        drop(reply);
        assert_eq!(events.next().await, Event::Piece(number(1)));
        assert!(matches!(events.next().await, Event::Failed(CallError::Internal(_))));
    }

    #[test]
    fn nobody_is_waited_for_who_has_left_or_when_the_server_stops() {
        let (sender, events) = Events::channel();
        let reply = Reply::Pieces(sender);
        let minute = Duration::from_secs(60);
        let stopped = (0..20).find_map(|_| reply.piece(number(1), minute, &|| true).err());
        assert_eq!(stopped, Some(stopping()));
        drop(events);
        assert!(!reply.is_wanted());
        reply.piece(number(1), minute, &|| false).unwrap_err();
    }
}
