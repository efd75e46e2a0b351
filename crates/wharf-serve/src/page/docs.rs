//! The page at `/docs`: the API, drawn from the OpenAPI document, with no viewer from elsewhere.

use maud::{Markup, html};
use serde_json::Value;
use wharf_spec::model::ModelCard;

use super::{Here, document, snippet};
use crate::openapi;

/// Returns the page.
pub(crate) fn docs(card: &ModelCard, host: &str) -> Markup {
    let api = openapi::document(card);
    let title = format!("API of {} · wharf", card.name);
    let (methods, others): (Vec<_>, Vec<_>) =
        operations(&api).partition(|operation| operation.verb == "post");
    let body = html! {
        @for Operation { verb, path, about } in methods {
            section.card.operation aria-label=(path) {
                div.head { h2 { (route(verb, path)) } }
                @if let Some(method) = path.strip_prefix('/').and_then(|name| card.method(name)) {
                    pre tabindex="0" aria-label="curl snippet" { code { (snippet::curl(method, host)) } }
                }
                (bodies("Body", &about["requestBody"]["content"]))
                (bodies("Answer", &about["responses"]["200"]["content"]))
                (statuses(&about["responses"]))
            }
        }
        section.card.operation aria-label="Other routes" {
            div.head { h2 { "Beside it" } }
            dl.routes {
                @for Operation { verb, path, about } in others {
                    dt { (route(verb, path)) }
                    dd { (text(&about["summary"])) }
                }
            }
        }
    };
    document(card, &title, Here::Docs, &body)
}

/// One verb of one path.
struct Operation<'a> {
    verb: &'a str,
    path: &'a str,
    about: &'a Value,
}

fn operations(api: &Value) -> impl Iterator<Item = Operation<'_>> {
    entries(&api["paths"]).flat_map(|(path, verbs)| {
        entries(verbs).map(move |(verb, about)| Operation { verb, path, about })
    })
}

fn route(verb: &str, path: &str) -> Markup {
    html! { code.verb { (verb.to_uppercase()) } " " code { (path) } }
}

/// Returns the schema of each content type, folded.
fn bodies(title: &str, content: &Value) -> Markup {
    html! {
        @for (kind, content) in entries(content) {
            @if let Some(schema) = content.get("schema").filter(|schema| schema["properties"].is_object() || schema["items"].is_object()) {
                details {
                    summary { (title) " " code { (kind) } }
                    pre tabindex="0" { code { (pretty(schema)) } }
                }
            }
        }
    }
}

fn statuses(responses: &Value) -> Markup {
    let wrong: Vec<(&String, &Value)> =
        entries(responses).filter(|(status, _)| *status != "200").collect();
    html! {
        @if !wrong.is_empty() {
            details {
                summary { "Errors" }
                dl.statuses {
                    @for (status, response) in wrong {
                        dt { code { (status) } }
                        dd { (text(&response["description"])) }
                    }
                }
            }
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
