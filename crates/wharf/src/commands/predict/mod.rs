//! `wharf predict`: one prediction, or one for each row of a table.

mod target;

mod input;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use wharf_ops::{
    context::cancelled,
    error::{Error, Result},
    predict::table::{self, Form, Summary, Table},
};
use wharf_spec::{codes, quantity::parse_duration};

use self::{
    input::{Input, Source, has_extension},
    target::Target,
};
use super::Session;
use crate::output::{
    report::{Lines, seconds},
    text,
};

/// Make a prediction, or one for each row of a table
///
/// A table is CSV whose first line names the columns, in any order. Its rows are sent in batches, and their answers
/// are written in the order of the rows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf predict iris -i 'data=[[5.1, 3.5, 1.4, 0.2]]'\n  \
                        wharf predict iris rows.csv -o answers.csv --method predict_proba\n  \
                        wharf predict ./model.ubj rows.csv | head\n  \
                        echo '{\"data\": [[5.1, 3.5, 1.4, 0.2]]}' | wharf predict iris -")]
pub(crate) struct PredictArgs {
    /// The name of a service or its address, or a model's path
    target: String,
    /// A table in CSV, or the JSON body of one call; `-` reads stdin
    #[arg(conflicts_with = "input")]
    file: Option<PathBuf>,
    /// An argument of the call, `KEY=JSON` or `KEY=@FILE`
    #[arg(short, long, value_name = "KEY=VALUE")]
    input: Vec<String>,
    /// The method to call
    #[arg(long, value_name = "M", default_value = "predict")]
    method: String,
    /// Where the answers to a table go: CSV, or lines of JSON (`.jsonl`) [default: stdout, as CSV]
    #[arg(short, long, value_name = "FILE", conflicts_with = "input")]
    output: Option<PathBuf>,
    /// How long an answer may take
    #[arg(long, value_name = "T", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PredictArgs) -> Result<u8> {
    let input = match &args.file {
        Some(path) => Input::open(session, path)?,
        None => Input::of_values(session, &args.input)?,
    };
    let cancel = session.cancel.clone();
    tokio::select! {
        done = predict(session, &args, input) => done,
        () = cancel.cancelled() => Err(cancelled()),
    }
}

async fn predict(session: &Session<'_>, args: &PredictArgs, input: Input) -> Result<u8> {
    match input {
        Input::Body(body) => one(session, args, body).await,
        Input::Table(source) => many(session, args, source).await,
    }
}

async fn one(session: &Session<'_>, args: &PredictArgs, body: String) -> Result<u8> {
    if args.output.is_some() {
        return Err(Error::new(codes::FLAGS, "`-o` takes the answers to a table")
            .hint("without it the answer to one call is on stdout"));
    }
    let target = Target::find(session, &args.target, args.timeout).await?;
    let answer = target.server.call(&args.method, Bytes::from(body)).await?;
    let shown = String::from_utf8_lossy(&answer);
    session.console.out(&text::line(shown.trim_end()));
    Ok(0)
}

/// `wharf predict --json` of a table.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    output: String,
    #[serde(flatten)]
    summary: &'a Summary,
    took_ms: u64,
}

async fn many(session: &Session<'_>, args: &PredictArgs, source: Source) -> Result<u8> {
    let began = Instant::now();
    let path = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    if session.config.json && path.is_none() {
        return Err(Error::new(codes::FLAGS, "stdout cannot have both the answers and `--json`")
            .hint("send the answers to a file: `-o answers.csv`"));
    }
    let is_lines = path.is_some_and(|path| has_extension(path, &["jsonl", "ndjson"]));
    let target = Target::find(session, &args.target, args.timeout).await?;
    let Source { name, reader, size } = source;
    let table = Table {
        name,
        source: reader,
        size,
        method: args.method.clone(),
        form: if is_lines { Form::JsonLines } else { Form::Csv },
        target: match path {
            Some(path) => table::Target::File(session.config.folder.join(path)),
            None => table::Target::Stream(Box::new(session.console.answers())),
        },
    };
    let quiet = session.config.quiet || session.config.json;
    let reporter = Lines::new(session.console.clone(), session.config.verbose, quiet);
    let summary = table::predict(&target.server, table, &reporter).await;
    reporter.stop_spinner();
    let summary = summary?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(path) = path {
        tell(session, path, &summary, took_ms);
    }
    Ok(0)
}

fn tell(session: &Session<'_>, path: &Path, summary: &Summary, took_ms: u64) {
    let output = path.display().to_string();
    if session.config.json {
        let document = Document { schema: "wharf.predict/v1", output, summary, took_ms };
        session.console.json(&document);
    } else if !session.config.quiet {
        let (rows, took) = (summary.rows, seconds(took_ms));
        session.console.err(&format!("{rows} rows → {}  {took}", text::line(&output)));
    }
}
