//! The pages of a model: one to try it, one that shows its API. They work offline, and say what they can without
//! scripts.
//!
//! Everything foreign (names, examples, classes) goes through `maud`, which escapes it, or through `textContent` in
//! the script. No line of script or style stands in the HTML, so that the policy can forbid it.

mod form;

mod try_it;

mod docs;

mod snippet;

use maud::{DOCTYPE, Markup, html};
use wharf_spec::model::ModelCard;

pub(crate) use docs::docs;
pub(crate) use try_it::try_it;

/// The page's script and style, and where they are.
pub(crate) const SCRIPT: &str = include_str!("app.js");
pub(crate) const SCRIPT_PATH: &str = "/app.js";
pub(crate) const STYLE: &str = include_str!("style.css");
pub(crate) const STYLE_PATH: &str = "/style.css";

/// A wharf: a mast, a deck, two posts and water.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
    %3Crect width='32' height='32' rx='8' fill='%230b7285'/%3E\
    %3Cpath d='M6 13h20M10 13v9M22 13v9M16 13V6l6 4h-6M5 25q2.75-3 5.5 0t5.5 0 5.5 0 5.5 0' \
    fill='none' stroke='%23fff' stroke-width='2.2' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E";

/// Returns a whole document.
fn document(card: &ModelCard, title: &str, here: Here, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href=(STYLE_PATH);
                @if here == Here::TryIt { script type="module" src=(SCRIPT_PATH) {} }
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    img.mark src=(ICON) alt="" width="36" height="36";
                    div.who {
                        h1 { (card.name) }
                        (facts(card))
                    }
                    nav.site aria-label="Pages" {
                        (link("/", "Try it", here == Here::TryIt))
                        (link("/docs", "API", here == Here::Docs))
                    }
                }
                main #main { (body) }
                footer {
                    "served by " b { "wharf " (env!("CARGO_PKG_VERSION")) } " · "
                    a href="/openapi.json" { "openapi.json" } " · "
                    a href="/interface.json" { "interface.json" } " · "
                    a href="/readyz" { "readyz" }
                }
            }
        }
    }
}

/// Which page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    TryIt,
    Docs,
}

fn link(href: &str, text: &str, current: bool) -> Markup {
    html! { a href=(href) aria-current=[current.then_some("page")] { (text) } }
}

/// Returns the line under the name.
fn facts(card: &ModelCard) -> Markup {
    let hash = card.hash().to_string();
    let short = hash.split(':').next_back().unwrap_or_default().get(..12).unwrap_or_default();
    html! {
        p.facts {
            span.chip { (card.kind) }
            @if card.runtime.is_native() {
                span.chip title=(card.reason) { "native" }
            } @else {
                span.chip title=(card.reason) { "Python worker" }
            }
            @if !card.classes.is_empty() { span.chip { (card.classes.len()) " classes" } }
            @if card.size() > 0 { span.chip { (size(card.size())) } }
            span.chip.hash title=(hash) { (short) }
        }
    }
}

/// Returns a size for people.
fn size(bytes: u64) -> String {
    let (mut rest, mut unit) = (bytes, 0);
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut tenths = bytes * 10;
    while rest >= 1_000 && unit + 1 < UNITS.len() {
        tenths = rest * 10 / 1_000;
        rest /= 1_000;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, expect) in [
            (12, "12 B"),
            (12_440, "12.4 KB"),
            (1_000_000, "1.0 MB"),
            (u64::MAX / 10, "1844674407.3 GB"),
        ] {
            assert_eq!(size(bytes), expect);
        }
    }

    #[test]
    fn the_page_is_small() {
        assert!(SCRIPT.len() + STYLE.len() < 30_000, "{}", SCRIPT.len() + STYLE.len());
    }
}
