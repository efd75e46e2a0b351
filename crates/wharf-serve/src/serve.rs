//! `serve`: bundle → runtime → ready → drained.

use std::{
    fmt, fs, future,
    io::{self, stderr},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use wharf_spec::{error::Source, model::RuntimeKind};

use crate::{
    app::App,
    bundle,
    config::Config,
    crew::{self, Crew},
    error::ServeError,
    guard::AllowedHosts,
    listen,
    log::Log,
    mounted,
    patience::Patience,
    routes::{self, call},
    runtime::{Bundle, LoadError, Loaded, Runtime, WorkerState},
};

/// How often a starting worker is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long whoever waits for the model has to ask for it, before threads that start are in the way.
const BEFORE_CREW: Duration = Duration::from_millis(10);

/// Serves the model of a bundle until a signal says stop.
pub(crate) fn serve(runtimes: &[&dyn Runtime], config: &Config) -> Result<ExitCode, ServeError> {
    let started = Instant::now();
    let bundle = Bundle::open(&config.bundle)?;
    let runtime = bundle::runtime(runtimes, &bundle.card)?;
    // Asked once: the answer is in files.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let quick = is_quick(&bundle);
    let tokio = if quick {
        Builder::new_current_thread().enable_all().build()
    } else {
        crew::runtime(cores)
    };
    let tokio = tokio.map_err(ServeError::System)?;
    let ended = tokio.block_on(run(runtime, &bundle, config, Threads { cores, quick }, started));
    // Nothing waits for a native call that is still computing.
    tokio.shutdown_background();
    if config.temporary {
        // Whoever made it may have removed it, and does so where this fails.
        fs::remove_dir_all(&config.bundle).ok();
    }
    ended
}

/// Says whether the model is loaded in less time than threads take to start.
fn is_quick(bundle: &Bundle) -> bool {
    /// Trees of so many bytes are read in some milliseconds.
    const SMALL: u64 = 1 << 20;
    let entry = fs::metadata(bundle.folder.join(&bundle.card.entry));
    bundle.card.runtime != RuntimeKind::Python && entry.is_ok_and(|entry| entry.len() <= SMALL)
}

/// What serves.
#[derive(Debug, Clone, Copy)]
struct Threads {
    cores: usize,
    /// The first thread serves alone, until the model is ready.
    quick: bool,
}

async fn run(
    runtime: &dyn Runtime,
    bundle: &Bundle,
    config: &Config,
    threads: Threads,
    started: Instant,
) -> Result<ExitCode, ServeError> {
    let mut signals = Signals::new().map_err(ServeError::System)?;
    let log = Log::new(config.log, stderr());
    let hosts = AllowedHosts::new(&config.hosts);
    let app = Arc::new(App::new(Arc::clone(&bundle.card), hosts, log, threads.cores));
    let (listener, address) = bind(config).await?;

    let router = routes::router(Arc::clone(&app));
    let stop = CancellationToken::new();
    let (crew, crew_gone) = Crew::new(threads.cores, &listener, &router, &stop)?;
    let closed = crew.there.clone();
    let crew = threads.quick.then_some(crew);

    let mut server = JoinSet::new();
    server.spawn(listen::serve(listener, router, Patience::DEFAULT, closed, stop.clone()));
    server.spawn(crew_gone);
    let ready = async || {
        let (name, took) = (&app.card.name, started.elapsed().as_millis());
        app.log.say(&format!("{name} is ready after {took} ms: http://{address}/"));
        let Some(crew) = crew else { return };
        time::sleep(BEFORE_CREW).await;
        if let Err(error) = crew.start() {
            app.log.say(&format!("no more threads to be had, one serves: {error}"));
        }
    };
    let outcome = tokio::select! {
        told = signals.next() => Ok(told),
        () = end_of_stdin(config.temporary) => Ok(Told::Terminate),
        failed = live(&app, runtime, bundle, config, ready) => Err(failed),
    };
    app.readiness.drain();
    stop.cancel();
    let ended = match outcome {
        Ok(told) => Ok(drain(&app, told, &mut server, &mut signals).await),
        Err(error) => Err(error),
    };
    app.log.close();
    ended
}

/// Waits until whoever started this process has gone, if it is to end with that one.
async fn end_of_stdin(wanted: bool) {
    if !wanted {
        return future::pending().await;
    }
    // What is written there says nothing; an error is an end, too.
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await.ok();
}

/// Brings the model up, then stays for ever; returns only when that fails.
async fn live(
    app: &Arc<App>,
    runtime: &dyn Runtime,
    bundle: &Bundle,
    config: &Config,
    ready: impl AsyncFnOnce(),
) -> ServeError {
    if let Err(error) = bring_up(app, runtime, bundle, config).await {
        shut_down_workers(app).await;
        return error;
    }
    ready().await;
    future::pending().await
}

async fn bring_up(
    app: &Arc<App>,
    runtime: &dyn Runtime,
    bundle: &Bundle,
    config: &Config,
) -> Result<(), ServeError> {
    mounted::check(bundle)?;
    let model = runtime.load(bundle, &config.runtime).map_err(ServeError::Load)?;
    app.readiness.loaded(model.clone());
    if let Loaded::Worker(worker) = &model {
        loop {
            match worker.state() {
                WorkerState::Ready => break,
                WorkerState::Failed(why) => return Err(ServeError::Load(LoadError(why))),
                WorkerState::Starting => time::sleep(LOOK_AGAIN).await,
            }
        }
    }
    for index in 0..app.card.methods.len() {
        warm_up(app, &model, index).await?;
    }
    app.readiness.warm();
    Ok(())
}

/// Answers the first example of a method, where there is one: a model that cannot do that is not ready.
async fn warm_up(app: &Arc<App>, model: &Loaded, index: usize) -> Result<(), ServeError> {
    let method = app.method(index);
    let Some(example) = method.examples.first() else { return Ok(()) };
    let failed = |source: Source| ServeError::WarmUp { method: method.name.clone(), source };
    let body = serde_json::to_vec(example).expect("an example is JSON");
    let inputs = app.readers[index].read(&body).map_err(|wrong| failed(wrong.error().into()))?;
    call::answer(app, model, index, inputs).await.map_err(|error| failed(error.into()))?;
    Ok(())
}

/// Lets what runs finish; a second signal ends everything at once.
async fn drain(app: &App, told: Told, server: &mut JoinSet<()>, signals: &mut Signals) -> ExitCode {
    app.log.say(&format!("{told}: finishing what runs"));
    let finished = async {
        while server.join_next().await.is_some() {}
        shut_down_workers(app).await;
    };
    tokio::select! {
        () = finished => ExitCode::SUCCESS,
        again = signals.next() => {
            app.log.say(&format!("{again} again: ending at once"));
            again.exit_code()
        }
    }
}

async fn shut_down_workers(app: &App) {
    if let Some(Loaded::Worker(worker)) = app.readiness.any_model() {
        worker.shutdown().await;
    }
}

/// Starts to listen; returns the address as a browser on this machine can use it.
async fn bind(config: &Config) -> Result<(TcpListener, String), ServeError> {
    let wanted = SocketAddr::new(config.host, config.port);
    let refused = |source| ServeError::Listen { address: wanted.to_string(), source };
    let listener = TcpListener::bind(wanted).await.map_err(refused)?;
    let mut address = listener.local_addr().map_err(refused)?;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok((listener, address.to_string()))
}

/// Which signal said stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Terminate,
    Interrupt,
}

impl Told {
    /// As a shell reports a process that a signal ended.
    fn exit_code(self) -> ExitCode {
        match self {
            Self::Terminate => ExitCode::from(143),
            Self::Interrupt => ExitCode::from(130),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Caught before anything else is done: in a container the first process gets no default for them.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }
}
