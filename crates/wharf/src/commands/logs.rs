//! `wharf logs`: what a service wrote.

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use serde::Serialize;
use wharf_engine::{LogLine, LogOptions, LogStream};
use wharf_ops::{
    error::{Error, Result},
    service,
};
use wharf_spec::{codes, quantity::parse_duration};

use super::{Session, service_name};
use crate::output::text;

/// What a service wrote
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf logs iris -f\n  wharf logs iris -n 50 --since 5m")]
pub(crate) struct LogsArgs {
    /// The name of a service
    name: String,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u32>,
    /// Only lines of this last time, such as `5m`, or since a time, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Only one of the two streams
    #[arg(long)]
    stream: Option<StreamChoice>,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
    /// The bytes as they were written, control characters too
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StreamChoice {
    Out,
    Err,
}

#[derive(Serialize)]
struct LineDocument<'a> {
    time: Option<&'a str>,
    stream: &'static str,
    text: &'a str,
}

pub(crate) async fn run(session: &mut Session<'_>, args: LogsArgs) -> Result<u8> {
    let name = service_name(&args.name)?;
    let since_ms = args.since.as_deref().map(since).transpose()?;
    let context = session.context().await?;
    let options = LogOptions { follow: args.follow, tail: args.lines, since_ms };
    let mut lines = service::logs(&context, &name, options).await?;
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = session.cancel.cancelled() => return Ok(0),
        };
        match line {
            Some(line) => print(session, &args, &line?),
            None => return Ok(0),
        }
    }
}

fn print(session: &Session<'_>, args: &LogsArgs, line: &LogLine) {
    let stream = match line.stream {
        LogStream::Out => StreamChoice::Out,
        LogStream::Err => StreamChoice::Err,
    };
    if args.stream.is_some_and(|wanted| wanted != stream) {
        return;
    }
    let console = &session.console;
    if session.config.json {
        let stream = if stream == StreamChoice::Out { "out" } else { "err" };
        console.json(&LineDocument { time: line.time.as_deref(), stream, text: &line.text });
        return;
    }
    let shown = match (args.raw, console.style.out) {
        (true, _) => line.text.clone(),
        (false, true) => text::log_line(&line.text),
        (false, false) => text::without_colour(&line.text),
    };
    match line.time.as_deref().filter(|_| args.timestamps) {
        Some(time) => console.out(&format!("{time} {shown}")),
        None => console.out(&shown),
    }
}

/// Reads a duration back from now, or a time.
fn since(text: &str) -> Result<i64> {
    if let Ok(back) = parse_duration(text) {
        let now = jiff::Timestamp::now().as_millisecond();
        return Ok(now - i64::try_from(back.as_millis()).unwrap_or(now));
    }
    text.parse::<jiff::Timestamp>().map(|time| time.as_millisecond()).map_err(|_| {
        Error::new(codes::FLAGS, format!("--since: `{text}` is neither a duration nor a time"))
            .hint("write `--since 5m` or `--since 2026-01-31T12:00:00Z`")
    })
}
