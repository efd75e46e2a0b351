//! ^C and SIGTERM: once stops cleanly, twice ends at once.

use std::sync::OnceLock;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wharf_spec::error::Kind;

/// The exit code of a command that SIGTERM ended.
const TERMINATED: u8 = 143;

/// Cancels at the first signal and notes its exit code, and returns one at the second.
pub(crate) async fn second(cancel: CancellationToken, first: &OnceLock<u8>) -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let told = first_of(&mut interrupt, &mut terminate).await;
    first.get_or_init(|| told);
    cancel.cancel();
    first_of(&mut interrupt, &mut terminate).await
}

async fn first_of(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => Kind::Cancelled.exit_code(),
        _ = terminate.recv() => TERMINATED,
    }
}
