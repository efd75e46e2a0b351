//! Everything that `/metrics` says.

use std::time::UNIX_EPOCH;

use super::{
    Metrics, Rejection, STATUSES,
    process::{self, Memory},
    read,
    text::{Kind, Text},
};
use crate::{
    app::App,
    readiness::Phase,
    routes::route,
    runtime::{
        Loaded,
        figures::{QueueFigures, WorkerFigures},
    },
};

/// Returns the document.
pub(crate) fn document(app: &App) -> String {
    let mut text = Text::default();
    let model = app.readiness.any_model();
    write_model(app, &mut text);
    write_routes(app, &mut text);
    write_calls(app, &mut text);
    match model {
        Some(Loaded::Worker(worker)) => {
            let figures = worker.figures();
            write_queue(&figures.queue, &mut text);
            write_workers(&figures, &mut text);
        }
        Some(Loaded::Native(_)) => write_queue(&app.gate.figures(), &mut text),
        None => {}
    }
    write_process(&app.metrics, &mut text);
    text.finish()
}

fn write_model(app: &App, text: &mut Text) {
    let card = &app.card;
    let hash = card.hash().to_string();
    let labels = [
        ("name", card.name.as_str()),
        ("kind", card.kind.word()),
        ("runtime", card.runtime.word()),
        ("hash", &hash),
    ];
    text.family("wharf_model_info", Kind::Gauge, "The model; always 1.").sample(&labels, 1.0);
    let ready = app.readiness.phase() == Phase::Ready;
    text.family("wharf_ready", Kind::Gauge, "Whether the model answers, as /readyz says.")
        .sample(&[], f64::from(u8::from(ready)));
}

/// Writes what is counted for each route; those that nobody asked for are left out.
fn write_routes(app: &App, text: &mut Text) {
    let metrics = &app.metrics;
    let routes = metrics.routes.iter().enumerate().filter_map(|(place, counts)| {
        let times = counts.seconds.times();
        (times.count() > 0).then(|| (route::label(&app.paths, place), counts, times))
    });
    let routes: Vec<_> = routes.collect();

    let about = "Requests by route and status; 499 where the client left before the answer.";
    let mut family = text.family("wharf_requests_total", Kind::Counter, about);
    for (route, counts, _) in &routes {
        for (status, count) in STATUSES.iter().zip(&counts.statuses) {
            let count = read(count);
            if count > 0 {
                family.sample(&[("route", route), ("status", &status.to_string())], count as f64);
            }
        }
    }
    let about = "Time from a request's head to its answer's.";
    let mut family = text.family("wharf_request_seconds", Kind::Histogram, about);
    for (route, _, times) in &routes {
        family.times(&[("route", route)], times);
    }
    let about = "Bytes of requests whose head says how many there are.";
    let mut family = text.family("wharf_request_bytes", Kind::Summary, about);
    for (route, counts, times) in &routes {
        family.sum(&[("route", route)], read(&counts.received_bytes) as f64, times.count());
    }
    let about = "Bytes of answers, but for those that come piece by piece.";
    let mut family = text.family("wharf_response_bytes", Kind::Summary, about);
    for (route, counts, times) in &routes {
        family.sum(&[("route", route)], read(&counts.sent_bytes) as f64, times.count());
    }
    text.family("wharf_in_flight", Kind::Gauge, "Requests that wait for their answer.")
        .sample(&[], read(&metrics.open) as f64);
}

fn write_calls(app: &App, text: &mut Text) {
    let metrics = &app.metrics;
    text.family("wharf_rows_total", Kind::Counter, "Rows that the model answered.")
        .sample(&[], read(&metrics.rows) as f64);
    let about = "Time of the model for a request, with its wait for a core or a worker.";
    text.family("wharf_model_seconds", Kind::Histogram, about)
        .times(&[("runtime", app.card.runtime.word())], &metrics.model.times());
    let about = "Requests that were turned away under a limit, by which.";
    let mut family = text.family("wharf_rejected_total", Kind::Counter, about);
    for why in Rejection::ALL {
        let count = read(&metrics.rejected[why as usize]);
        family.sample(&[("reason", why.word())], count as f64);
    }
}

fn write_queue(queue: &QueueFigures, text: &mut Text) {
    text.family("wharf_queue_requests", Kind::Gauge, "Calls that wait for a core or a worker.")
        .sample(&[], queue.calls as f64);
    text.family("wharf_queue_bytes", Kind::Gauge, "About how many bytes the waiting calls take.")
        .sample(&[], queue.bytes as f64);
    text.family("wharf_queue_seconds", Kind::Histogram, "How long calls waited.")
        .times(&[], &queue.waited);
}

fn write_workers(figures: &WorkerFigures, text: &mut Text) {
    let numbers = 0..figures.workers.len();
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let workers = || numbers.iter().zip(&figures.workers);

    let mut family = text.family("wharf_worker_up", Kind::Gauge, "Whether a worker is ready.");
    for (number, worker) in workers() {
        family.sample(&[("worker", number)], f64::from(u8::from(worker.is_some())));
    }
    let about = "Memory that a worker's process takes.";
    let mut family = text.family("wharf_worker_rss_bytes", Kind::Gauge, about);
    for (number, worker) in workers() {
        let memory = worker.and_then(|pid| process::memory(&pid.to_string()));
        if let Some(memory) = memory {
            family.sample(&[("worker", number)], memory.resident as f64);
        }
    }
    let about =
        "Ends of workers, and starts that failed, by the reason; each is followed by a new start.";
    let mut family = text.family("wharf_worker_restarts_total", Kind::Counter, about);
    for (reason, count) in &figures.restarts {
        family.sample(&[("reason", reason)], *count as f64);
    }
}

/// Writes what Prometheus' own libraries say of every process.
fn write_process(metrics: &Metrics, text: &mut Text) {
    let started = metrics.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let memory = process::memory("self");
    let open = process::open_files().map(|files| files as f64);
    let max = process::max_files().map(|files| files as f64);
    let bytes = |of: fn(Memory) -> u64| memory.map(|memory| of(memory) as f64);
    for (name, kind, help, value) in [
        (
            "process_cpu_seconds_total",
            Kind::Counter,
            "Time that the process computed.",
            process::cpu_seconds(),
        ),
        (
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory that the process takes.",
            bytes(|memory| memory.resident),
        ),
        (
            "process_virtual_memory_bytes",
            Kind::Gauge,
            "Addresses that the process has mapped.",
            bytes(|memory| memory.mapped),
        ),
        ("process_open_fds", Kind::Gauge, "Files that the process has open.", open),
        ("process_max_fds", Kind::Gauge, "Files that the process may have open.", max),
        (
            "process_start_time_seconds",
            Kind::Gauge,
            "When the process started, in seconds since 1970.",
            Some(started.as_secs_f64()),
        ),
    ] {
        if let Some(value) = value {
            text.family(name, kind, help).sample(&[], value);
        }
    }
}
