//! `wharf predict`: one prediction of a service.

use std::{io::Read as _, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use serde_json::{Map, Value};
use wharf_net::{Answer, error::NetError};
use wharf_ops::{
    error::{Error, Result},
    service,
};
use wharf_spec::{codes, quantity::parse_duration};

use super::{Session, service_name};
use crate::output::text;

/// Make a prediction with a service
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf predict iris -i 'data=[[5.1, 3.5, 1.4, 0.2]]'\n  \
                        wharf predict iris rows.json --method predict_proba\n  \
                        echo '{\"data\": [[5.1, 3.5, 1.4, 0.2]]}' | wharf predict iris -")]
pub(crate) struct PredictArgs {
    /// The name of a service, or its address
    target: String,
    /// A file with the JSON body of the call; `-` reads stdin
    #[arg(conflicts_with = "input")]
    file: Option<PathBuf>,
    /// An argument of the call, `KEY=JSON` or `KEY=@FILE`
    #[arg(short, long, value_name = "KEY=VALUE")]
    input: Vec<String>,
    /// The method to call
    #[arg(long, value_name = "M", default_value = "predict")]
    method: String,
    /// How long the answer may take
    #[arg(long, value_name = "T", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PredictArgs) -> Result<u8> {
    let body = body(session, &args)?;
    let base = if args.target.contains("://") {
        format!("{}/", args.target.trim_end_matches('/'))
    } else {
        let name = service_name(&args.target)?;
        service::address(&session.context().await?, &name).await?
    };
    let url = format!("{base}{}", args.method);
    let answer = wharf_net::post_json(&url, body, args.timeout).await.map_err(no_answer)?;
    if !answer.is_success() {
        return Err(refused(&url, &answer));
    }
    let shown = String::from_utf8_lossy(&answer.body);
    session.console.out(&text::line(shown.trim_end()));
    Ok(0)
}

fn body(session: &Session<'_>, args: &PredictArgs) -> Result<Bytes> {
    let text = match &args.file {
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| Error::file("read", "stdin".as_ref(), error))?;
            text
        }
        Some(path) => read(session, path)?,
        None => inputs(session, &args.input)?,
    };
    Ok(Bytes::from(text))
}

fn read(session: &Session<'_>, path: &std::path::Path) -> Result<String> {
    let path = session.config.folder.join(path);
    std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))
}

/// Makes a body of `KEY=VALUE`s; what is not JSON is text.
fn inputs(session: &Session<'_>, inputs: &[String]) -> Result<String> {
    if inputs.is_empty() {
        return Err(Error::new(codes::FLAGS, "there is nothing to predict with").hint(
            "give a file with the JSON body, or arguments: `-i 'data=[[5.1, 3.5, 1.4, 0.2]]'`",
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
    Ok(Value::Object(body).to_string())
}

fn no_answer(error: NetError) -> Error {
    let code = match &error {
        NetError::Address { .. } => codes::FLAGS,
        NetError::Timeout { .. } => codes::PREDICT_TIMEOUT,
        _ => codes::SERVICE_SILENT,
    };
    let action = error.to_string();
    let deeper = std::error::Error::source(&error).map(ToString::to_string);
    let own = Error::new(code, action).hint("see what runs with `wharf ps`");
    match deeper {
        Some(deeper) => own.because(deeper),
        None => own,
    }
}

/// Says why the model server did not answer with a prediction, in its own words.
fn refused(url: &str, answer: &Answer) -> Error {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let word = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let why = word("error").unwrap_or_else(|| format!("HTTP status {}", answer.status));
    let error =
        Error::new(codes::PREDICT_REFUSED, format!("{url} gave no prediction")).because(why);
    match word("hint") {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
