//! How long a client may be silent: between two requests long, in the middle of a request's head not.
//!
//! hyper has one time for both: its clock runs from the moment in which it waits for a head. So the clock is ours: it
//! sees whether a byte came since then.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant as StdInstant},
};

use hyper::rt::{Sleep, Timer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{self, Instant},
};

/// The two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Between two requests.
    pub(crate) idle: Duration,
    /// For the head of a request, from its first byte on; and for a new connection's first request.
    pub(crate) head: Duration,
}

impl Patience {
    pub(crate) const DEFAULT: Self =
        Self { idle: Duration::from_secs(75), head: Duration::from_secs(10) };

    /// Returns a stream, and the clock for the heads of the requests that come through it.
    pub(crate) fn with<S>(self, stream: S) -> (Watched<S>, HeadTimer) {
        let read = Arc::new(AtomicU64::new(0));
        (Watched { stream, read: Arc::clone(&read) }, HeadTimer { patience: self, read })
    }
}

/// A stream that counts the bytes that are read.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    read: Arc<AtomicU64>,
}

/// A clock for one connection. hyper asks it for a time when it begins to wait for a head, and for nothing else.
#[derive(Debug, Clone)]
pub(crate) struct HeadTimer {
    patience: Patience,
    read: Arc<AtomicU64>,
}

impl HeadTimer {
    fn wait(&self) -> Waiting {
        let before = self.read.load(Ordering::Relaxed);
        let patience = if before == 0 { self.patience.head } else { self.patience.idle };
        Waiting {
            timer: self.clone(),
            before,
            has_begun: false,
            sleep: Box::pin(time::sleep(patience)),
        }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.wait())
    }

    fn sleep_until(&self, _deadline: StdInstant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.wait())
    }
}

/// The wait for one head.
#[derive(Debug)]
struct Waiting {
    timer: HeadTimer,
    /// What had been read before it.
    before: u64,
    has_begun: bool,
    sleep: Pin<Box<time::Sleep>>,
}

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    /// Polled after each read that did not complete the head.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.timer.read.load(Ordering::Relaxed) > self.before {
            self.has_begun = true;
            let end = Instant::now() + self.timer.patience.head;
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        self.read.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
