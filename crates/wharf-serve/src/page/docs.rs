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
    let body = html! {
        @for (path, verbs) in entries(&api["paths"]) {
            @for (verb, operation) in entries(verbs) {
                section.card.operation {
                    div.head {
                        h2 { code.verb.(verb) { (verb.to_uppercase()) } " " code { (path) } }
                    }
                    p { (text(&operation["summary"])) }
                    @if let Some(method) = path.strip_prefix('/').and_then(|name| card.method(name)) {
                        pre tabindex="0" aria-label="curl snippet" { code { (snippet::curl(method, host)) } }
                    }
                    (bodies("Body", &operation["requestBody"]["content"]))
                    (bodies("Answer", &operation["responses"]["200"]["content"]))
                    (statuses(&operation["responses"]))
                }
            }
        }
    };
    document(card, &title, Here::Docs, &body)
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
