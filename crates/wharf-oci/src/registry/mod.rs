//! Registries (OCI distribution-spec 1.1), without a daemon. What they say is hostile until checked.
//!
//! Every request goes to the origin that the user named, and so do the credentials: a registry that sends wharf
//! elsewhere, be it by a redirect, the address of an upload or a token server, gets an error (see
//! [`RegistryError::Elsewhere`]). Plain HTTP is spoken to this machine only, or where the user says so.
//!
//! - [`host`]: which registry; [`error`]: what can go wrong;
//! - [`challenge`] and `auth`: proof of who asks; `upload` and [`download`]: blobs; `tags`: listing and removing; this file: connecting, asking again, manifests.

pub mod host;

pub mod error;

mod auth;

pub mod challenge;

pub(crate) mod upload;

pub mod download;

mod tags;

pub mod referrers;

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use wharf_net::{
    address::Address,
    client::{Body, Client, Method, Request, Response},
    error::NetError,
    retry,
};
use wharf_spec::digest::Digest;

use self::{
    auth::Auth,
    error::{Refusal, RegistryError, Result},
    host::RegistryHost,
};
use crate::{
    descriptor::{DOCKER_LIST, DOCKER_MANIFEST, Document, INDEX, MANIFEST, digest_of},
    keychain::{Credential, Keychain},
    manifest::{self, Content},
};

/// The largest manifest that is read, in bytes (distribution's own limit).
const MAX_MANIFEST: usize = 4 << 20;

/// The most that is read of an error's text, in bytes.
const MAX_ERROR: usize = 64 << 10;

/// The most that is shown of it, in characters.
const SHOWN_ERROR: usize = 1000;

/// How many redirects within the registry are followed.
const MAX_REDIRECTS: u32 = 5;

/// How much is sent at once to a registry that refuses whole layers: behind proxies the limit is often 100 MB.
pub const CHUNK: u64 = 64 << 20;

/// What a registry is asked with.
#[derive(Debug, Clone)]
pub struct Access {
    pub client: Client,
    pub keychain: Keychain,
    pub plain_http: PlainHttp,
    /// Hosts of token servers that may be asked, and given the password, besides the registry's own.
    pub token_hosts: Vec<String>,
    /// Hosts that blobs may be fetched from when the registry sends there, besides its own.
    pub storage_hosts: Vec<String>,
    /// How much is sent at once to a registry that refuses whole layers; [`CHUNK`] is a good size.
    pub chunk: u64,
}

/// Where requests may go unencrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// To this machine itself only.
    Loopback,
    /// To the registry, whichever it is.
    Allowed,
}

/// A registry that answers.
#[derive(Debug)]
pub struct Registry {
    host: RegistryHost,
    /// `https://HOST/v2/`
    base: Address,
    client: Client,
    auth: Auth,
    storage_hosts: Vec<String>,
    chunk: u64,
    /// Whole layers were refused: they are sent in chunks.
    wants_chunks: AtomicBool,
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestName<'a> {
    Tag(&'a str),
    Digest(Digest),
}

impl Registry {
    /// Finds the registry, as somebody whom the keychain knows or else as nobody.
    ///
    /// # Errors
    /// When it cannot be reached, is none, or the keychain cannot be used.
    pub async fn connect(host: RegistryHost, repository: &str, access: &Access) -> Result<Self> {
        let found = access.keychain.find(&host, repository).await;
        let credential = found.map_err(RegistryError::Keychain)?;
        Self::connect_as(host, credential, access).await
    }

    /// Finds the registry, as somebody.
    ///
    /// # Errors
    /// When it cannot be reached, or is none.
    pub async fn connect_as(
        host: RegistryHost,
        credential: Option<Credential>,
        access: &Access,
    ) -> Result<Self> {
        let (base, answer) = ping(&host, access).await?;
        let auth = Auth::new(
            host.clone(),
            base.clone(),
            access.client.clone(),
            credential,
            access.token_hosts.clone(),
        );
        match answer.status() {
            200 => {}
            401 => auth.learn(&answer, &[])?,
            status => {
                let why = format!("status {status} is not what a registry answers to {base}");
                return Err(RegistryError::Answer { host: host.to_string(), what: "answer", why });
            }
        }
        let client = access.client.clone();
        let chunk = access.chunk.max(1);
        let storage_hosts = access.storage_hosts.clone();
        let wants_chunks = AtomicBool::new(false);
        Ok(Self { host, base, client, auth, storage_hosts, chunk, wants_chunks })
    }

    /// Returns which registry it is.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// Asks for nothing but to be let in.
    ///
    /// # Errors
    /// When the registry refuses the credentials.
    pub async fn verify(&self) -> Result<()> {
        let answer = self.exchange(&[], || Request::new(Method::Get, self.base.clone())).await?;
        self.expect(answer, &[200]).await.map(drop)
    }

    /// Returns the digest that a tag stands for, if the registry has it; asked for before a push.
    ///
    /// # Errors
    /// When the registry refuses, or answers with what no registry would.
    pub async fn resolve(&self, repository: &str, tag: &str) -> Result<Option<Digest>> {
        // With the right to write: a repository that is made by the first push may be read by nobody else.
        self.look_for(&[push(repository)], repository, &ManifestName::Tag(tag)).await
    }

    /// Returns the digest of what is there under a name.
    ///
    /// # Errors
    /// When the registry refuses, or answers with what no registry would.
    pub async fn find(&self, repository: &str, name: &ManifestName<'_>) -> Result<Option<Digest>> {
        self.look_for(&[pull(repository)], repository, name).await
    }

    async fn look_for(
        &self,
        scopes: &[String],
        repository: &str,
        name: &ManifestName<'_>,
    ) -> Result<Option<Digest>> {
        let address = self.manifest_address(repository, name)?;
        let answer = self.read_only(scopes, Method::Head, &address).await?;
        // 403: some registries say so of what is not there; whether it is true shows when something is sent.
        if matches!(answer.status(), 403 | 404) {
            return Ok(None);
        }
        let answer = self.expect(answer, &[200]).await?;
        if let Some(digest) = answer.header("docker-content-digest") {
            return Ok(Some(digest.parse().map_err(|error| self.answer("digest", error))?));
        }
        let manifest = self.read_manifest(scopes, repository, name).await?;
        Ok(Some(digest_of(&manifest)))
    }

    /// Reads a manifest. One that is asked for by its digest is that one.
    ///
    /// # Errors
    /// When the registry refuses, or answers with too much or something else.
    pub async fn manifest(&self, repository: &str, name: &ManifestName<'_>) -> Result<Bytes> {
        self.read_manifest(&[pull(repository)], repository, name).await
    }

    /// Reads and checks a manifest or an index.
    ///
    /// # Errors
    /// As [`Registry::manifest`], and when it cannot be used.
    pub async fn document(
        &self,
        repository: &str,
        name: &ManifestName<'_>,
    ) -> Result<(Document, Content)> {
        let (bytes, declared) = self.fetch(&[pull(repository)], repository, name).await?;
        manifest::parse(&bytes, declared.as_deref()).map_err(RegistryError::Image)
    }

    async fn read_manifest(
        &self,
        scopes: &[String],
        repository: &str,
        name: &ManifestName<'_>,
    ) -> Result<Bytes> {
        self.fetch(scopes, repository, name).await.map(|(bytes, _)| bytes)
    }

    /// Returns a manifest, and what the registry says that it is.
    async fn fetch(
        &self,
        scopes: &[String],
        repository: &str,
        name: &ManifestName<'_>,
    ) -> Result<(Bytes, Option<String>)> {
        let address = self.manifest_address(repository, name)?;
        let answer = self.read_only(scopes, Method::Get, &address).await?;
        let answer = self.expect(answer, &[200]).await?;
        let declared = answer.header("content-type").map(str::to_owned);
        let bytes = answer.bytes(MAX_MANIFEST).await;
        let bytes = bytes.map_err(|error| self.network("manifest", error))?;
        match name {
            ManifestName::Digest(expected) if digest_of(&bytes) != *expected => {
                let found = digest_of(&bytes);
                let host = self.host.to_string();
                Err(RegistryError::Digest { host, expected: *expected, found })
            }
            _ => Ok((bytes, declared)),
        }
    }

    /// Gives the registry a manifest under a tag, or its digest. All that it names must be there.
    ///
    /// # Errors
    /// When the registry refuses, or has taken it for something else.
    pub async fn put_manifest(
        &self,
        repository: &str,
        name: &ManifestName<'_>,
        manifest: &Document,
    ) -> Result<Digest> {
        let answer = match self.send_manifest(repository, name, manifest).await? {
            Ok(answer) => self.expect(answer, &[201]).await?,
            Err(source) => return Err(self.refused(source)),
        };
        let expected = digest_of(&manifest.bytes);
        match answer.header("docker-content-digest").map(str::parse) {
            // It does not say what it took, so it is asked for that.
            None => {
                let name = ManifestName::Digest(expected);
                self.read_manifest(&[push(repository)], repository, &name).await?;
                Ok(expected)
            }
            Some(Ok(found)) if found == expected => Ok(expected),
            Some(Ok(found)) => {
                Err(RegistryError::Digest { host: self.host.to_string(), expected, found })
            }
            Some(Err(error)) => Err(self.answer("digest", error)),
        }
    }

    fn manifest_address(&self, repository: &str, name: &ManifestName<'_>) -> Result<Address> {
        match name {
            ManifestName::Tag(tag) => self.address(&format!("{repository}/manifests/{tag}")),
            ManifestName::Digest(digest) => {
                self.address(&format!("{repository}/manifests/{digest}"))
            }
        }
    }

    fn address(&self, path: &str) -> Result<Address> {
        self.base.join(&format!("/v2/{path}")).map_err(|error| self.answer("path", error))
    }

    /// Sends a manifest, and returns the answer, or why it is refused.
    ///
    /// A registry that misses what it was seen to have is asked again. Distribution 2, Debian's, writes anew and in
    /// place the file that says that a repository has a blob: where two pushes of one blob meet, the one may find it
    /// empty while the other writes it.
    async fn send_manifest(
        &self,
        repository: &str,
        name: &ManifestName<'_>,
        manifest: &Document,
    ) -> Result<Result<Response, Refusal>> {
        let address = self.manifest_address(repository, name)?;
        let make = || {
            Request::new(Method::Put, address.clone())
                .header("content-type", &manifest.media_type)
                .body(Body::Bytes(manifest.bytes.clone()))
        };
        let mut attempt = 1;
        loop {
            let answer = self.exchange(&[push(repository)], make).await?;
            if answer.status() < 400 {
                return Ok(Ok(answer));
            }
            let refusal = refusal(answer).await;
            if !refusal.misses_blobs() || attempt == retry::ATTEMPTS {
                return Ok(Err(refusal));
            }
            tokio::time::sleep(retry::pause(attempt, None)).await;
            attempt += 1;
        }
    }

    /// Asks, and follows redirects within the registry.
    async fn read_only(
        &self,
        scopes: &[String],
        method: Method,
        address: &Address,
    ) -> Result<Response> {
        let mut address = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let make = || {
                Request::new(method, address.clone())
                    .header("accept", MANIFEST)
                    .header("accept", INDEX)
                    .header("accept", DOCKER_MANIFEST)
                    .header("accept", DOCKER_LIST)
            };
            let answer = self.exchange(scopes, make).await?;
            if !(300..400).contains(&answer.status()) {
                return Ok(answer);
            }
            address = self.location(&answer, "content")?;
        }
        Err(self.answer("redirect", "it leads round and round"))
    }

    /// Returns where an answer points to, which must be the registry itself.
    fn location(&self, answer: &Response, what: &'static str) -> Result<Address> {
        let Some(location) = answer.header("location") else {
            return Err(self.answer(what, "its address is missing"));
        };
        let to = answer.address().join(location).map_err(|error| self.answer(what, error))?;
        self.own(&to, what)?;
        Ok(to)
    }

    fn own(&self, address: &Address, what: &'static str) -> Result<()> {
        if address.origin() == self.base.origin() {
            return Ok(());
        }
        let to = address.origin().to_string();
        Err(RegistryError::Elsewhere { host: self.host.to_string(), what, to })
    }

    /// Asks until there is an answer that does not pass by itself; proves who asks when that is wanted.
    async fn exchange(&self, scopes: &[String], make: impl Fn() -> Request) -> Result<Response> {
        let mut attempt = 1;
        loop {
            let sent = self.ask(scopes, &make).await?;
            let pause = match &sent {
                Ok(answer) if retry::is_passing(answer.status()) => {
                    retry::pause(attempt, answer.header("retry-after"))
                }
                Err(error) if error.is_passing() => retry::pause(attempt, None),
                _ => return sent.map_err(|error| self.network("answer", error)),
            };
            if attempt == retry::ATTEMPTS {
                return sent.map_err(|error| self.network("answer", error));
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Asks once; when a token has ended, with a new one once more.
    async fn ask(
        &self,
        scopes: &[String],
        make: impl Fn() -> Request,
    ) -> Result<Result<Response, NetError>> {
        let mut renewed = false;
        loop {
            let mut request = make();
            self.own(request.address(), "content")?;
            if let Some(proof) = self.auth.header(scopes).await? {
                request = request.authorization(proof.expose());
            }
            match self.client.send(request).await {
                Ok(answer) if answer.status() == 401 && !renewed => {
                    self.auth.learn(&answer, scopes)?;
                    renewed = true;
                }
                sent => return Ok(sent),
            }
        }
    }

    /// Passes on an answer of these statuses; any other is an error.
    async fn expect(&self, answer: Response, statuses: &[u16]) -> Result<Response> {
        if statuses.contains(&answer.status()) {
            Ok(answer)
        } else {
            Err(self.unexpected(answer).await)
        }
    }

    /// Returns what is wrong with an answer that is none of those expected.
    async fn unexpected(&self, answer: Response) -> RegistryError {
        if (300..400).contains(&answer.status())
            && let Err(elsewhere) = self.location(&answer, "content")
        {
            return elsewhere;
        }
        self.refused(refusal(answer).await)
    }

    fn refused(&self, source: Refusal) -> RegistryError {
        RegistryError::refused(self.host.as_str(), self.auth.has_credentials(), source)
    }

    fn network(&self, what: &'static str, error: NetError) -> RegistryError {
        RegistryError::network(self.host.as_str(), what, error)
    }

    fn answer(&self, what: &'static str, why: impl ToString) -> RegistryError {
        RegistryError::Answer { host: self.host.to_string(), what, why: why.to_string() }
    }
}

/// Asks whether a registry is there, without credentials, in the ways that are allowed.
async fn ping(host: &RegistryHost, access: &Access) -> Result<(Address, Response)> {
    let at = |scheme: &str| {
        let address = format!("{scheme}://{}/v2/", host.api()).parse::<Address>();
        address.map_err(|error| RegistryError::network(host.as_str(), "address", error))
    };
    let encrypted = at("https")?;
    if access.plain_http == PlainHttp::Allowed {
        return ping_at(host, access, at("http")?).await;
    }
    if !encrypted.is_loopback() {
        return ping_at(host, access, encrypted).await;
    }
    // Registries of this machine mostly speak plain HTTP. A certificate that is not trusted stays an error.
    match access.client.send(Request::new(Method::Get, encrypted.clone())).await {
        Err(NetError::NotTls { .. } | NetError::Unreachable { .. }) => {
            ping_at(host, access, at("http")?).await
        }
        _ => ping_at(host, access, encrypted).await,
    }
}

async fn ping_at(
    host: &RegistryHost,
    access: &Access,
    address: Address,
) -> Result<(Address, Response)> {
    let mut attempt = 1;
    loop {
        let sent = access.client.send(Request::new(Method::Get, address.clone())).await;
        match sent {
            Ok(answer) if retry::is_passing(answer.status()) && attempt < retry::ATTEMPTS => {
                let pause = retry::pause(attempt, answer.header("retry-after"));
                tokio::time::sleep(pause).await;
                attempt += 1;
            }
            Ok(answer) if retry::is_passing(answer.status()) => {
                let source = refusal(answer).await;
                return Err(RegistryError::refused(host.as_str(), false, source));
            }
            Ok(answer) => return Ok((address, answer)),
            Err(error) => return Err(RegistryError::network(host.as_str(), "answer", error)),
        }
    }
}

/// Reads why a registry refuses, from the JSON of its errors or the beginning of whatever it sends.
async fn refusal(answer: Response) -> Refusal {
    let (status, url) = (answer.status(), answer.address().to_string());
    let body = answer.beginning(MAX_ERROR).await;
    let said: String = words(&body).chars().take(SHOWN_ERROR).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Refusal { status, url, said }
}

fn words(body: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::from_utf8_lossy(body).trim().to_owned();
    };
    let errors = document.get("errors").and_then(serde_json::Value::as_array);
    let said = errors.into_iter().flatten().map(|error| {
        let word = |key: &str| error.get(key).and_then(serde_json::Value::as_str).unwrap_or("");
        format!("{} {}", word("code"), word("message")).trim().to_owned()
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The right to read a repository.
fn pull(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// The right to write to a repository, and to read it.
fn push(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_registries_are_shown_in_their_words() {
        let json =
            br#"{"errors":[{"code":"DENIED","message":"no","detail":{"x":1}},{"code":"X"}]}"#;
        assert_eq!(words(json), "DENIED no; X");
        assert_eq!(words(b"<html>no</html>\n"), "<html>no</html>");
        assert_eq!(words(b"{}"), "");
    }
}
