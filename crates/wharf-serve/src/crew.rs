//! The threads that serve once the model is ready.
//!
//! A small model is loaded, and its first requests are answered, on the thread that the process began with: to make a
//! thread, and to wake it on another core, takes longer than to read such a model. Then the crew takes over: new
//! connections are its own, and those that are open stay where they are.

use std::{io, net, os::fd::AsFd, thread};

use axum::Router;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use crate::{error::ServeError, listen, patience::Patience};

/// Returns a runtime with a thread for each core.
pub(crate) fn runtime(cores: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(cores).enable_all().build()
}

/// A crew that is to come.
#[derive(Debug)]
pub(crate) struct Crew {
    /// Cancelled when the crew is there: whoever listened so far lets it be.
    pub(crate) there: CancellationToken,
    cores: usize,
    listener: net::TcpListener,
    router: Router,
    stop: CancellationToken,
    /// Dropped with the crew.
    gone: oneshot::Sender<()>,
}

impl Crew {
    /// Returns a crew that will take connections from the same socket, and what ends when it has gone or never comes.
    pub(crate) fn new(
        cores: usize,
        listener: &TcpListener,
        router: &Router,
        stop: &CancellationToken,
    ) -> Result<(Self, impl Future<Output = ()> + use<>), ServeError> {
        let listener = listener.as_fd().try_clone_to_owned().map_err(ServeError::System)?;
        let (gone, seen) = oneshot::channel();
        let crew = Self {
            there: stop.child_token(),
            cores,
            listener: listener.into(),
            router: router.clone(),
            stop: stop.clone(),
            gone,
        };
        Ok((crew, async move {
            // Nobody sends: it is dropped.
            seen.await.ok();
        }))
    }

    /// Starts the crew, and does not wait for it.
    pub(crate) fn start(self) -> io::Result<()> {
        thread::Builder::new().name("crew".to_owned()).spawn(move || self.work())?;
        Ok(())
    }

    fn work(self) {
        // Where the system has no threads left, the first one goes on alone.
        let Ok(runtime) = runtime(self.cores) else { return };
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(self.listener) else { return };
            self.there.cancel();
            let stop = self.stop;
            listen::serve(listener, self.router, Patience::DEFAULT, stop.clone(), stop).await;
        });
        // Nothing waits for a native call that is still computing.
        runtime.shutdown_background();
        drop(self.gone);
    }
}
