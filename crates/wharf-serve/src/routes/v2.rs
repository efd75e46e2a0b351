//! `/v2/…`: the Open Inference Protocol over REST. One route for all its paths, since every server has them and
//! few are asked for.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use wharf_spec::model::Argument;

use super::call::{self, Called};
use crate::{
    app::App,
    problem::Problem,
    readiness::Phase,
    runtime::{CallError, Loaded, Payload},
    schema::body::Inputs,
    v2::{
        answer::{self, InferBody, VERSION},
        metadata,
        request::{InferRequest, Wanted},
    },
};

/// Says how many bytes of a body are JSON; the rest are tensors.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// How all paths are called but those of predictions, in the log and in figures.
pub(super) const ROOT: &str = "/v2";

/// How the paths of predictions are called.
pub(super) const INFER: &str = "/v2/infer";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Server,
    Live,
    Ready,
    Model,
    Config,
    Infer,
    Index,
    /// Of the protocol, and not done here.
    Unsupported,
    OtherModel,
    Unknown,
}

impl Asked {
    /// Reads a path from `/v2` on; the name of a model has no character that would be written in another way.
    pub(super) fn of(path: &str, model: &str) -> Self {
        let parts: Vec<&str> =
            path.split('/').filter(|part| !part.is_empty()).skip(1).take(8).collect();
        match parts.as_slice() {
            [] => Self::Server,
            ["health", "live"] => Self::Live,
            ["health", "ready"] => Self::Ready,
            ["repository", "index"] => Self::Index,
            [
                "repository" | "systemsharedmemory" | "cudasharedmemory" | "logging" | "trace",
                ..,
            ]
            | ["models", "stats"] => Self::Unsupported,
            ["models", name, ..] if *name != model => Self::OtherModel,
            ["models", _, "versions", version, ..] if *version != VERSION => Self::OtherModel,
            ["models", _, "versions", _, rest @ ..] | ["models", _, rest @ ..] => match rest {
                [] => Self::Model,
                ["ready"] => Self::Ready,
                ["config"] => Self::Config,
                ["infer"] => Self::Infer,
                ["stats"] | ["trace", ..] => Self::Unsupported,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// Returns the name of the route; `None` for what is asked every second.
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            Self::Live | Self::Ready => None,
            Self::Infer => Some(INFER),
            Self::OtherModel | Self::Unknown => Some("other"),
            Self::Server | Self::Model | Self::Config | Self::Index | Self::Unsupported => {
                Some(ROOT)
            }
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Infer | Self::Index => Method::POST,
            _ => Method::GET,
        }
    }
}

/// Answers whatever begins with `/v2`.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(request.uri().path(), app.card.name.as_str());
    let card = &app.card;
    match asked {
        Asked::Unsupported => return Err(Problem::not_here()),
        Asked::OtherModel => return Err(Problem::other_model(card.name.as_str(), VERSION)),
        Asked::Unknown => return Err(Problem::not_found(&app.paths)),
        known if *request.method() != known.method() => return Err(Problem::wrong_method()),
        _ => {}
    }
    let document = match asked {
        Asked::Infer => return infer(app, request).await,
        Asked::Live => return Ok(StatusCode::OK.into_response()),
        Asked::Ready => match not_ready(&app) {
            None => return Ok(StatusCode::OK.into_response()),
            Some(why) => return Err(Problem::not_ready(why)),
        },
        Asked::Server => metadata::server(),
        Asked::Model => metadata::model(card, app.signature()),
        Asked::Config => metadata::config(card, app.signature()),
        Asked::Index => metadata::index(card, not_ready(&app).is_none()),
        Asked::Unsupported | Asked::OtherModel | Asked::Unknown => unreachable!("refused above"),
    };
    Ok(Json(document).into_response())
}

/// Returns why the model does not answer, where it does not.
fn not_ready(app: &App) -> Option<String> {
    match app.readiness.phase() {
        Phase::Ready => None,
        Phase::Starting(why) => Some(why.to_owned()),
        Phase::Draining => Some("the server is being shut down".to_owned()),
        Phase::Failed(why) => Some(why),
    }
}

async fn infer(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let model = call::callable(&app)?;
    let (parts, body) = request.into_parts();
    let json_length = json_length(&parts.headers).map_err(Problem::wrong_inference)?;
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::compressed());
    }
    let body = call::read_body(&parts.headers, body).await?;
    let read = call::where_it_fits(body.len(), {
        let app = Arc::clone(&app);
        move || read(&app, &body, json_length)
    });
    let Read { id, wanted, inputs } = read.await?.map_err(Problem::wrong_inference)?;

    let (rows, started) = (inputs.rows, Instant::now());
    let answers = ask(&app, model, &wanted, inputs).await.map_err(Problem::of_inference)?;
    let called = Called { rows, model: started.elapsed() };

    let body = write(&app, id.as_deref(), &wanted, &answers).map_err(Problem::wrong_inference)?;
    let mut response = respond(body);
    response.extensions_mut().insert(called);
    Ok(response)
}

/// A request, ready to be answered.
struct Read {
    id: Option<String>,
    wanted: Vec<Wanted>,
    inputs: Inputs,
}

fn read(app: &App, body: &Bytes, json_length: Option<usize>) -> Result<Read, String> {
    let signature = app.signature();
    let InferRequest { id, inputs, wanted } = InferRequest::read(body, json_length, signature)?;
    Ok(Read { id, wanted, inputs: signature.arguments(inputs)? })
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>, String> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|length| length.parse().ok());
    length.map(Some).ok_or_else(|| format!("`{JSON_LENGTH}` is no number of bytes"))
}

/// Asks each method whose answer is wanted, once; each answer comes with its method's place.
async fn ask(
    app: &Arc<App>,
    model: &Loaded,
    wanted: &[Wanted],
    inputs: Inputs,
) -> Result<Vec<(usize, Payload)>, CallError> {
    let outputs = &app.signature().outputs;
    let mut methods: Vec<usize> =
        wanted.iter().map(|wanted| outputs[wanted.output].method).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut answers = Vec::with_capacity(methods.len());
    for method in methods {
        let inputs = inputs_of(app, method, &inputs);
        answers.push((method, call::answer(app, model, method, inputs).await?));
    }
    Ok(answers)
}

/// Returns the inputs, which were made for the first method, for another one: it may leave other things out.
fn inputs_of(app: &App, method: usize, inputs: &Inputs) -> Inputs {
    let made_for = &app.method(0).args;
    let value = |argument: &Argument| {
        let place = made_for.iter().position(|made| made.name == argument.name)?;
        inputs.values[place].clone()
    };
    Inputs { values: app.method(method).args.iter().map(value).collect(), rows: inputs.rows }
}

fn write(
    app: &App,
    id: Option<&str>,
    wanted: &[Wanted],
    answers: &[(usize, Payload)],
) -> Result<InferBody, String> {
    let outputs = &app.signature().outputs;
    let tensors = wanted.iter().map(|wanted| {
        let output = &outputs[wanted.output];
        let answer = answers.iter().find(|(method, _)| *method == output.method);
        let (_, answer) = answer.expect("every method of a wanted output was asked");
        Ok((answer::tensor(output, answer, *wanted, &app.card.classes)?, wanted.binary))
    });
    let tensors = tensors.collect::<Result<_, String>>()?;
    Ok(answer::body(app.card.name.as_str(), id, tensors))
}

fn respond(body: InferBody) -> Response {
    let kind =
        if body.json_length.is_some() { "application/octet-stream" } else { "application/json" };
    let mut response = ([(header::CONTENT_TYPE, kind)], body.bytes).into_response();
    if let Some(length) = body.json_length {
        response.headers_mut().insert(JSON_LENGTH, HeaderValue::from(length));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_a_version() {
        for (path, expect) in [
            ("/v2", Asked::Server),
            ("/v2/", Asked::Server),
            ("/v2/health/live", Asked::Live),
            ("/v2/models/iris", Asked::Model),
            ("/v2/models/iris/versions/1", Asked::Model),
            ("/v2/models/iris/versions/1/infer", Asked::Infer),
            ("/v2/models/iris/ready", Asked::Ready),
            ("/v2/models/iris/versions/2/infer", Asked::OtherModel),
            ("/v2/models/other", Asked::OtherModel),
            ("/v2/models/iris/stats", Asked::Unsupported),
            ("/v2/repository/index", Asked::Index),
            ("/v2/repository/models/iris/load", Asked::Unsupported),
            ("/v2/models/iris/infer/more", Asked::Unknown),
            ("/v2/models", Asked::Unknown),
        ] {
            assert_eq!(Asked::of(path, "iris"), expect, "{path}");
        }
    }
}
