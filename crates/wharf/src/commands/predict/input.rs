//! What is predicted with: the body of one call, or a table.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde_json::{Map, Value};
use wharf_ops::error::{Error, Result};
use wharf_spec::codes;

use crate::commands::Session;

/// What was given.
pub(super) enum Input {
    /// The JSON body of one call.
    Body(String),
    Table(Source),
}

/// A table to be read.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) reader: Box<dyn Read + Send>,
    /// Bytes, where that is known.
    pub(super) size: Option<u64>,
}

impl Input {
    /// Opens a file, or stdin: what begins as JSON does is a body, everything else is a table.
    pub(super) fn open(session: &Session<'_>, path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let stdin = Box::new(BufReader::new(io::stdin()));
            return Self::begin("stdin", stdin, None);
        }
        let shown = path.display().to_string();
        if has_extension(path, &["parquet", "pq"]) {
            let action = format!("`{shown}` is Parquet, which wharf does not read");
            return Err(Error::new(codes::TABLE_MISFIT, action).hint(format!(
                "pass it on as CSV: `python -c \"import pandas, sys; pandas.read_parquet('{shown}').to_csv(sys.stdout, index=False)\" | wharf predict TARGET -`"
            )));
        }
        let path = session.config.folder.join(path);
        let failed = |error| Error::file("read", &path, error);
        let file = File::open(&path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        let size = facts.is_file().then_some(facts.len());
        Self::begin(&shown, Box::new(BufReader::new(file)), size)
    }

    fn begin(name: &str, mut reader: Box<dyn BufRead + Send>, size: Option<u64>) -> Result<Self> {
        let failed = |error| Error::file("read", name.as_ref(), error);
        let beginning = reader.fill_buf().map_err(failed)?;
        if !beginning.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Table(Source { name: name.to_owned(), reader, size }));
        }
        let mut body = String::new();
        reader.read_to_string(&mut body).map_err(failed)?;
        Ok(Self::Body(body))
    }

    /// Makes a body of `KEY=VALUE`s; what is not JSON is text.
    pub(super) fn of_values(session: &Session<'_>, inputs: &[String]) -> Result<Self> {
        if inputs.is_empty() {
            return Err(Error::new(codes::FLAGS, "there is nothing to predict with").hint(
                "give a table, a file with the JSON body, or arguments: `-i 'data=[[5.1, 3.5, 1.4, 0.2]]'`",
            ));
        }
        let mut body = Map::new();
        for input in inputs {
            let (key, value) = input.split_once('=').ok_or_else(|| {
                Error::new(codes::FLAGS, format!("-i: `{input}` is not `KEY=VALUE` or `KEY=@FILE`"))
            })?;
            let value = match value.strip_prefix('@') {
                Some(path) => read(session, path.as_ref())?,
                None => value.to_owned(),
            };
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            body.insert(key.to_owned(), value);
        }
        Ok(Self::Body(Value::Object(body).to_string()))
    }
}

fn read(session: &Session<'_>, path: &Path) -> Result<String> {
    let path = session.config.folder.join(path);
    std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))
}

/// Says whether a path ends in one of these, whatever their case.
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let own = path.extension().and_then(|own| own.to_str());
    own.is_some_and(|own| extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension)))
}
