//! ^C and SIGTERM: once stops cleanly, twice ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wharf_spec::error::Kind;

/// The exit code of a command that SIGTERM ended.
const TERMINATED: u8 = 143;

/// Cancels at the first signal, and returns an exit code at the second.
pub(crate) async fn second(cancel: CancellationToken) -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    first_of(&mut interrupt, &mut terminate).await;
    cancel.cancel();
    first_of(&mut interrupt, &mut terminate).await
}

async fn first_of(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => Kind::Cancelled.exit_code(),
        _ = terminate.recv() => TERMINATED,
    }
}
