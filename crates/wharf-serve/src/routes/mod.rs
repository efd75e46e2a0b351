//! The routes, and the edge that every request passes: guard, number, log, and a JSON body for every error.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::HttpBody,
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use futures_util::FutureExt;

use crate::{app::App, log::RequestLine, page, problem::Problem, request_id};

pub(crate) mod call;

mod documents;

mod health;

mod pages;

mod v2;

/// Paths that are the same for every model, for the log.
const FIXED: [&str; 6] =
    ["/", "/docs", "/interface.json", "/openapi.json", page::SCRIPT_PATH, page::STYLE_PATH];

/// Asked every second by somebody, and never logged.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// Returns the whole application.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::home))
        .route("/docs", get(pages::docs))
        .route(page::SCRIPT_PATH, get(pages::script))
        .route(page::STYLE_PATH, get(pages::style))
        .route("/interface.json", get(documents::interface))
        .route("/openapi.json", get(documents::openapi))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/v2", get(v2::handle))
        .route("/v2/{*path}", any(v2::handle));
    for (index, path) in app.paths.iter().enumerate() {
        router = router.route(
            path,
            post(move |State(app): State<Arc<App>>, request: Request| {
                call::call(app, index, request)
            }),
        );
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), edge))
        .with_state(app)
}

async fn unknown(State(app): State<Arc<App>>) -> Problem {
    Problem::not_found(&app.paths)
}

async fn wrong_method() -> Problem {
    Problem::wrong_method()
}

/// What every request passes, on its way in and out.
async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = app.ids.of(request.headers());
    let method = request.method().clone();
    let route = Route::of(&app, request.uri().path());

    let checked = app.hosts.check(&method, request.uri(), request.headers());
    let mut response = match checked {
        // A panic in a handler is the end of that request, not of its connection.
        Ok(()) => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Problem::bug("the request could not be handled").into_response()),
        Err(foreign) => Problem::from(foreign).into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.respond(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(request_id::HEADER, id.header());
    if route != Route::Health {
        let call = response.extensions().get::<call::Called>();
        app.log.request(&RequestLine {
            request_id: id.as_str(),
            method: known_word(&method),
            route: route.label(&app),
            status: response.status().as_u16(),
            rows: call.map(|call| call.rows),
            model_ms: call.map(|call| millis(call.model)),
            total_ms: millis(started.elapsed()),
            bytes: response.body().size_hint().exact().unwrap_or_default(),
        });
    }
    response
}

/// Returns milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// Where a request goes, in words of ours: what is logged is never text that somebody sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Method(usize),
    Fixed(&'static str),
    Health,
    Other,
}

impl Route {
    fn of(app: &App, path: &str) -> Self {
        if let Some(index) = app.paths.iter().position(|method| method == path) {
            Self::Method(index)
        } else if HEALTH.contains(&path) {
            Self::Health
        } else if path == "/v2" || path.starts_with("/v2/") {
            v2::Asked::of(path, app.card.name.as_str()).label().map_or(Self::Health, Self::Fixed)
        } else {
            FIXED.into_iter().find(|fixed| *fixed == path).map_or(Self::Other, Self::Fixed)
        }
    }

    fn label(self, app: &App) -> &str {
        match self {
            Self::Method(index) => &app.paths[index],
            Self::Fixed(path) => path,
            Self::Health => "health",
            Self::Other => "other",
        }
    }
}

fn known_word(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::OPTIONS => method.as_str(),
        Method::PUT | Method::DELETE | Method::PATCH => method.as_str(),
        _ => "other",
    }
}
