//! The tags of a repository: listed page by page, as repositories are, and removed with the manifest that they stand for.

use serde::Deserialize;
use wharf_net::{
    address::Address,
    client::{Method, Request, Response},
};
use wharf_spec::{digest::Digest, reference::Reference};

use super::{
    ManifestName, Registry,
    error::{RegistryError, Result},
    pull,
};

/// The largest page that is read, in bytes.
const MAX_PAGE: usize = 4 << 20;

/// How many pages are read.
const MAX_PAGES: usize = 1000;

/// How many names are taken.
const MAX_NAMES: usize = 100_000;

#[derive(Deserialize)]
struct Page {
    #[serde(alias = "tags", alias = "repositories")]
    names: Option<Vec<String>>,
}

/// A list that registries give page by page.
struct Listing {
    what: &'static str,
    /// What each entry is.
    noun: &'static str,
    is_name: fn(&str) -> bool,
}

const TAGS: Listing = Listing {
    what: "list of tags",
    noun: "tag",
    is_name: |text| Reference::local("x", text).is_ok_and(|named| named.tag() == Some(text)),
};

const REPOSITORIES: Listing = Listing {
    what: "list of repositories",
    noun: "repository",
    is_name: |text| {
        let reference = format!("x.example/{text}").parse::<Reference>();
        reference.is_ok_and(|reference| reference.path() == text)
    },
};

impl Registry {
    /// Returns the tags of a repository, as the registry orders them.
    ///
    /// # Errors
    /// When the registry refuses, or answers with what no registry would.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>> {
        self.names(&format!("{repository}/tags/list"), pull(repository), &TAGS).await
    }

    /// Returns the repositories of a registry. Many have no such list, or leave some out.
    ///
    /// # Errors
    /// When the registry refuses, or answers with what no registry would.
    pub async fn repositories(&self) -> Result<Vec<String>> {
        self.names("_catalog", "registry:catalog:*".to_owned(), &REPOSITORIES).await
    }

    async fn names(&self, path: &str, scope: String, listing: &Listing) -> Result<Vec<String>> {
        let Listing { what, noun, is_name } = *listing;
        let mut address = self.address(path)?.with_query("n", "1000");
        let scopes = [scope];
        let mut names = Vec::new();
        for _ in 0..MAX_PAGES {
            let make = || Request::new(Method::Get, address.clone());
            let answer = self.exchange(&scopes, make).await?;
            let answer = self.expect(answer, &[200]).await?;
            let next = self.next_page(&answer)?;
            let body = answer.bytes(MAX_PAGE).await;
            let body = body.map_err(|error| self.network(what, error))?;
            let page: Page = serde_json::from_slice(&body)
                .map_err(|_| self.answer(what, "it is not the JSON of one"))?;
            for name in page.names.unwrap_or_default() {
                if !is_name(&name) {
                    let shown: String = name.escape_debug().take(150).collect();
                    return Err(self.answer(what, format!("`{shown}` is no {noun}")));
                }
                names.push(name);
            }
            match next {
                Some(next) if names.len() < MAX_NAMES => address = next,
                Some(_) => break,
                None => return Ok(names),
            }
        }
        Err(self.answer(what, "it does not end"))
    }

    /// Returns where the next page is (RFC 5988), which must be the registry itself.
    fn next_page(&self, answer: &Response) -> Result<Option<Address>> {
        let Some(link) = answer.headers("link").into_iter().find_map(next_link) else {
            return Ok(None);
        };
        let what = "next page of names";
        let to = answer.address().join(link).map_err(|error| self.answer(what, error))?;
        self.own(&to, what)?;
        Ok(Some(to))
    }

    /// Removes a manifest, and with it all tags that stand for it.
    ///
    /// # Errors
    /// When it is not there, or the registry does not remove any.
    pub async fn delete_manifest(&self, repository: &str, digest: Digest) -> Result<()> {
        let address = self.manifest_address(repository, &ManifestName::Digest(digest))?;
        let make = || Request::new(Method::Delete, address.clone());
        let scope = format!("repository:{repository}:pull,push,delete");
        let answer = self.exchange(&[scope], make).await?;
        match answer.status() {
            200 | 202 | 204 => Ok(()),
            405 => Err(RegistryError::NoDeletion { host: self.host.to_string() }),
            _ => Err(self.unexpected(answer).await),
        }
    }
}

/// Takes the address out of `<ADDRESS>; rel="next"`.
fn next_link(header: &str) -> Option<&str> {
    let (address, parameters) = header.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |parameter: &str| {
        let parameter = parameter.trim().to_ascii_lowercase();
        parameter == "rel=next" || parameter == "rel=\"next\""
    };
    parameters.split(';').any(is_next).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page_are_read() {
        assert_eq!(
            next_link("</v2/x/tags/list?last=b&n=2>; rel=\"next\""),
            Some("/v2/x/tags/list?last=b&n=2")
        );
        assert_eq!(next_link("<http://x/y>; REL=next; a=b"), Some("http://x/y"));
        for header in ["", "<x", "<x>", "<x>; rel=\"prev\"", "x; rel=\"next\""] {
            assert_eq!(next_link(header), None, "{header}");
        }
    }
}
