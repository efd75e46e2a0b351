//! A table through a model: read in batches, a few of them on their way at once, written in the order of its rows.

use std::{
    fmt,
    io::{Read, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use futures_util::{StreamExt as _, stream::FuturesOrdered};
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet};
use wharf_spec::{codes, event::Event};

use super::{
    answers::Answers,
    infer::{self, Column},
    rows::{Batch, Rows},
    server::Server,
    signature::Signature,
};
use crate::{
    context::Reporter,
    error::{Error, Result},
};

/// How many batches are on their way: the server computes one while the next ones travel.
const IN_FLIGHT: usize = 4;

/// What a table is predicted with.
pub struct Table {
    /// How the source is called in messages.
    pub name: String,
    pub source: Box<dyn Read + Send>,
    /// Bytes, where that is known.
    pub size: Option<u64>,
    pub method: String,
    pub form: Form,
    pub target: Target,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Csv,
    JsonLines,
}

/// Where answers go.
pub enum Target {
    /// A file, which appears when it is whole.
    File(PathBuf),
    Stream(Box<dyn Write + Send>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub rows: u64,
    pub requests: u64,
    /// How often the server was asked again, since it was too busy.
    pub retries: u64,
}

/// A batch that came back.
struct Answered {
    rows: usize,
    read: u64,
    columns: Vec<Column>,
}

/// Predicts every row of a table.
///
/// # Errors
/// `TABLE_MISFIT` with file, line and column where the table does not fit the model; and when the server gives no
/// prediction, or a file cannot be read or written. A file that was to be written is then not there.
pub async fn predict(server: &Server, table: Table, reporter: &dyn Reporter) -> Result<Summary> {
    let Table { name, source, size, method, form, target } = table;
    let signature = Signature::ask(server, &method).await?;
    let rows = {
        let (name, signature) = (name.clone(), signature.clone());
        blocking(move || Rows::open(&name, source, &signature)).await?
    };
    if !rows.unused.is_empty() {
        let text = format!("the model does not take: {}", rows.unused.join(", "));
        reporter.report(Event::Note { text });
    }
    let mut answers = Answers::open(form, target)?;
    let mut done = Summary { rows: 0, requests: 0, retries: 0 };
    let mut batches = Batches::begin(rows);
    let mut on_way = FuturesOrdered::new();
    loop {
        let answered = tokio::select! {
            batch = batches.next(), if on_way.len() < IN_FLIGHT => match batch {
                Some(batch) => {
                    on_way.push_back(ask(server, &signature, &name, batch?));
                    continue;
                }
                None => on_way.next().await,
            },
            Some(answered) = on_way.next() => Some(answered),
        };
        let Some(Answered { rows, read, columns }) = answered.transpose()? else { break };
        let flow;
        (answers, flow) = blocking(move || {
            let flow = answers.put(rows, &columns)?;
            Ok((answers, flow))
        })
        .await?;
        done.rows += rows as u64;
        done.requests += 1;
        reporter.report(Event::Predicted { rows: done.rows, read, size });
        if flow == ControlFlow::Break(()) {
            break;
        }
    }
    let outputs = signature.outputs.clone();
    blocking(move || answers.finish(&outputs)).await?;
    Ok(Summary { retries: server.retries(), ..done })
}

/// The batches of a table, read ahead by one on a thread of their own.
struct Batches {
    read: mpsc::Receiver<Result<Batch>>,
    _reading: JoinSet<()>,
}

impl Batches {
    fn begin(mut rows: Rows<Box<dyn Read + Send>>) -> Self {
        let (sender, read) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || {
            while let Some(batch) = rows.next().transpose() {
                let is_last = batch.is_err();
                // Nobody takes it: something else has failed.
                if sender.blocking_send(batch).is_err() || is_last {
                    break;
                }
            }
        });
        Self { read, _reading: reading }
    }

    /// Returns the next one; `None` after the last one.
    async fn next(&mut self) -> Option<Result<Batch>> {
        self.read.recv().await
    }
}

async fn ask(server: &Server, signature: &Signature, name: &str, batch: Batch) -> Result<Answered> {
    let message = server.infer(&signature.path, &infer::request(signature, &batch)).await;
    let place = |error: Error| error.hint(format!("it was asked for {}", lines(name, &batch)));
    let message = message.map_err(place)?;
    let columns = infer::answer(signature, batch.rows, &message).map_err(|why| {
        let action = "the server's answer cannot be used";
        place(Error::new(codes::PREDICT_REFUSED, action).because(why))
    })?;
    Ok(Answered { rows: batch.rows, read: batch.read, columns })
}

fn lines(name: &str, batch: &Batch) -> String {
    match (batch.first_line, batch.last_line) {
        (first, last) if first == last => format!("line {first} of {name}"),
        (first, last) => format!("lines {first} to {last} of {name}"),
    }
}

/// Runs what reads or writes files on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.expect("reading and writing a table does not panic")
}
