//! The routes, and the edge that every request passes: guard, number, figures, log, and a JSON body for every error.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

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

use self::route::Route;
use crate::{app::App, log::RequestLine, page, problem::Problem, request_id};

pub(crate) mod call;

mod documents;

mod events;

mod health;

mod metrics;

mod pages;

mod v2;

pub(crate) mod route;

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
        .route("/metrics", get(metrics::metrics))
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
    let id = app.ids.of(request.headers());
    let method = request.method().clone();
    let route = Route::of(&app, request.uri().path());
    let place = route.place(app.paths.len());
    let received_bytes = request.body().size_hint().exact().unwrap_or_default();
    let open = app.metrics.open(place);

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
        if let Some(why) = problem.rejection() {
            app.metrics.rejected(why);
        }
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.respond(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(request_id::HEADER, id.header());

    let call = response.extensions().get::<call::Called>();
    if let Some(call) = call {
        app.metrics.called(call.rows, call.model);
    }
    let status = response.status().as_u16();
    let bytes = response.body().size_hint().exact().unwrap_or_default();
    let took = open.answered(status, received_bytes, bytes);
    if route != Route::Health {
        app.log.request(&RequestLine {
            request_id: id.as_str(),
            method: known_word(&method),
            route: route::label(&app.paths, place),
            status,
            rows: call.map(|call| call.rows),
            model_ms: call.map(|call| millis(call.model)),
            total_ms: millis(took),
            bytes,
        });
    }
    response
}

/// Returns milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

fn known_word(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::OPTIONS => method.as_str(),
        Method::PUT | Method::DELETE | Method::PATCH => method.as_str(),
        _ => "other",
    }
}
