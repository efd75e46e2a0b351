//! Pages of an index: the simple API in JSON (PEP 691) or HTML (PEP 503), and plain pages with links.

use serde::Deserialize;

/// What an index is asked for.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// The largest page that is read, in bytes.
pub(super) const LARGEST: usize = 32 << 20;

#[derive(Deserialize)]
struct Page {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    url: String,
}

/// Returns the address of the first file on a page that has one of these names, as the page has it.
///
/// Hashes of the page are left out: those who ask know the hash of what they want.
pub fn find(page: &[u8], names: &[&str]) -> Option<String> {
    let text = String::from_utf8_lossy(page);
    let links = match serde_json::from_str::<Page>(&text) {
        Ok(page) => page.files.into_iter().map(|file| file.url).collect(),
        Err(_) => hrefs(&text),
    };
    let name_of = |link: &str| {
        let path = link.split(['?', '#']).next().unwrap_or_default();
        super::index::percent_decode(path.rsplit('/').next().unwrap_or_default())
    };
    names.iter().find_map(|name| links.iter().find(|link| name_of(link) == *name).cloned())
}

/// Returns the targets of all links of an HTML page.
fn hrefs(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("href") {
        rest = &rest[at + 4..];
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        let Some(value) = value else { continue };
        let target = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split(|c: char| c.is_whitespace() || c == '>').next(),
        };
        found.extend(target.map(|target| target.replace("&amp;", "&")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_json_and_in_html() {
        let json = br#"{"meta": {"api-version": "1.1"}, "name": "uv", "files": [
            {"filename": "a.whl", "url": "../../files/a.whl", "hashes": {}},
            {"filename": "b.whl", "url": "https://h/b.whl", "hashes": {}}]}"#;
        assert_eq!(find(json, &["c.whl", "b.whl"]).as_deref(), Some("https://h/b.whl"));
        let html = b"<a class=x href='/f/a%2B1.whl?x=1&amp;y#sha256=0'>a</a> <A href = \"b.whl\" >b</A><a href=c.whl>";
        assert_eq!(find(html, &["a+1.whl"]).as_deref(), Some("/f/a%2B1.whl?x=1&y#sha256=0"));
        assert_eq!(find(html, &["b.whl"]).as_deref(), Some("b.whl"));
        assert_eq!(find(html, &["c.whl"]).as_deref(), Some("c.whl"));
        assert_eq!(find(html, &["d.whl"]), None);
    }
}
