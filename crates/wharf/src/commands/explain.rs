//! `wharf explain`: the page of an error.

use clap::Args;
use serde::Serialize;
use wharf_ops::error::{Error, Result};
use wharf_spec::{
    codes::{self, PAGES, Page},
    error::Code,
};

use super::Session;

/// The page of an error: what it means, usual causes, what to do
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf explain W0203\n  wharf explain            # all codes")]
pub(crate) struct ExplainArgs {
    /// The code; without one, all are listed
    code: Option<String>,
}

#[derive(Serialize)]
struct PageDocument {
    code: String,
    kind: &'static str,
    exit: u8,
    http_status: u16,
    title: &'static str,
    causes: &'static str,
    remedy: &'static str,
}

#[derive(Serialize)]
struct PagesDocument {
    schema: &'static str,
    items: Vec<PageDocument>,
}

pub(crate) fn run(session: &mut Session<'_>, args: &ExplainArgs) -> Result<u8> {
    let pages: Vec<&Page> = match &args.code {
        Some(code) => vec![find(code)?],
        None => PAGES.iter().collect(),
    };
    let console = &session.console;
    if session.config.json {
        let items = pages.into_iter().map(document).collect();
        console.json(&PagesDocument { schema: "wharf.errors/v1", items });
    } else if args.code.is_some() {
        for page in pages {
            console.out(&format!(
                "{}  {} (exit code {})",
                page.code,
                page.title,
                page.kind.exit_code()
            ));
            console.out(&format!("\ncauses: {}\nwhat to do: {}", page.causes, page.remedy));
        }
    } else {
        for page in pages {
            console.out(&format!("{}  {}", page.code, page.title));
        }
    }
    Ok(0)
}

fn find(text: &str) -> Result<&'static Page, Error> {
    let number = text.trim_start_matches(['W', 'w']).parse().ok();
    number.and_then(|number| codes::page(Code(number))).ok_or_else(|| {
        Error::new(codes::FLAGS, format!("there is no error code `{text}`"))
            .hint("see all codes with `wharf explain`")
    })
}

fn document(page: &'static Page) -> PageDocument {
    PageDocument {
        code: page.code.to_string(),
        kind: page.kind.word(),
        exit: page.kind.exit_code(),
        http_status: page.kind.http_status(),
        title: page.title,
        causes: page.causes,
        remedy: page.remedy,
    }
}
