//! Docker's `config.json` and Podman's `auth.json`: one format, of which only what concerns credentials is touched.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use wharf_spec::secret::Secret;

use super::{Credential, KeychainError, Result};
use crate::registry::host::RegistryHost;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A file as it is, with everything that others keep in it.
pub(super) struct AuthFile {
    pub(super) path: PathBuf,
    document: Map<String, Value>,
}

impl AuthFile {
    /// Reads a file; one that is missing is empty.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let failed = |source| KeychainError::Read { path: path.to_owned(), source };
        let wrong = |why: &str| KeychainError::Form { path: path.to_owned(), why: why.to_owned() };
        let mut bytes = Vec::new();
        match fs::File::open(path) {
            Ok(file) => {
                file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        if bytes.len() as u64 > MAX_FILE {
            return Err(wrong("it is larger than 4 MiB"));
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { path: path.to_owned(), document: Map::new() });
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(document)) => Ok(Self { path: path.to_owned(), document }),
            Ok(_) => Err(wrong("it is not a JSON object")),
            Err(error) => Err(wrong(&format!("it is not JSON ({error})"))),
        }
    }

    /// Returns the name of the helper program for a registry.
    pub(super) fn helper(&self, host: &RegistryHost) -> Option<&str> {
        let helpers = self.document.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| {
            helpers.iter().find(|(key, _)| names(key, host.as_str()) || *key == host.key())
        });
        own.map(|(_, name)| name)
            .or_else(|| self.document.get("credsStore"))
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    }

    /// Finds the entry for a repository: the one with the longest path wins, as Podman has it.
    pub(super) fn find(&self, host: &RegistryHost, repository: &str) -> Result<Option<Credential>> {
        let full = format!("{host}/{repository}");
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let matching = auths.iter().filter(|(key, _)| {
            let key = plain(key);
            full.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'))
        });
        let best = matching.max_by_key(|(key, _)| plain(key).len());
        match best {
            Some((key, entry)) => self.credential(key, entry),
            None => Ok(None),
        }
    }

    /// Reads an entry; an empty one, as Docker writes beside a helper, is none.
    fn credential(&self, key: &str, entry: &Value) -> Result<Option<Credential>> {
        let text =
            |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credential::IdentityToken(Secret::new(token.to_owned()))));
        }
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Credential::RegistryToken(Secret::new(token.to_owned()))));
        }
        let wrong = || KeychainError::Form {
            path: self.path.clone(),
            why: format!("the entry of `{key}` is not `user:password` in base64"),
        };
        let (user, password) = match (text("auth"), text("username"), text("password")) {
            (Some(auth), _, _) => {
                let pair = STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
                let pair = String::from_utf8(pair).map_err(|_| wrong())?;
                let (user, password) = pair.split_once(':').ok_or_else(wrong)?;
                (user.to_owned(), password.trim_end_matches('\0').to_owned())
            }
            (None, Some(user), Some(password)) => (user.to_owned(), password.to_owned()),
            _ => return Ok(None),
        };
        Ok(Some(Credential::Password { user, password: Secret::new(password) }))
    }

    /// Sets the entry of a registry as a whole.
    pub(super) fn keep(&mut self, host: &RegistryHost, user: &str, password: &Secret<String>) {
        self.forget(host);
        let auth = STANDARD.encode(format!("{user}:{}", password.expose()));
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[host.key()] = json!({ "auth": auth });
    }

    /// Removes the entry of a registry, and says whether there was one.
    pub(super) fn forget(&mut self, host: &RegistryHost) -> bool {
        let Some(auths) = self.document.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|key, _| !names(key, host.as_str()));
        auths.len() != before
    }

    /// Writes the file as a whole, readable by its owner only. A link stays one.
    pub(super) fn save(&self) -> Result<()> {
        let failed = |source| KeychainError::Write { path: self.path.clone(), source };
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = target.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut bytes = serde_json::to_vec_pretty(&self.document).expect("JSON as it was read");
        bytes.push(b'\n');
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(target).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Says whether a key names a registry as a whole.
fn names(key: &str, host: &str) -> bool {
    plain(key) == host
}

/// Returns a key as `host[/path]`: older Dockers wrote `https://HOST/v1/`.
fn plain(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        let Value::Object(document) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        AuthFile { path: "config.json".into(), document }
    }

    /// `user:password` or the kind of token.
    fn check(text: &str, host: &str, repository: &str, expect: Option<&str>) {
        let found = file(text).find(&host.parse().unwrap(), repository).unwrap();
        let shown = found.map(|credential| match credential {
            Credential::Password { user, password } => format!("{user}:{}", password.expose()),
            Credential::IdentityToken(token) => format!("identity {}", token.expose()),
            Credential::RegistryToken(token) => format!("registry {}", token.expose()),
        });
        assert_eq!(shown.as_deref(), expect, "{host}/{repository} in {text}");
    }

    #[test]
    fn entries_are_found_as_docker_and_podman_write_them() {
        // YTpi is `a:b`, YzpkOmU= is `c:d:e`.
        let hub = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}}}"#;
        check(hub, "docker.io", "library/iris", Some("a:b"));
        check(hub, "index.example.io", "iris", None);
        let old = r#"{"auths": {"https://reg.example/v1/": {"auth": "YzpkOmU="}}}"#;
        check(old, "reg.example", "iris", Some("c:d:e"));
        let words = r#"{"auths": {"reg:5000": {"username": "a", "password": "b"}}}"#;
        check(words, "reg:5000", "iris", Some("a:b"));
        check(words, "reg:5001", "iris", None);
    }

    #[test]
    fn the_longest_path_wins() {
        let text = r#"{"auths": {"reg.example/ml": {"auth": "YTpi"}, "reg.example": {"auth": "YzpkOmU="}}}"#;
        check(text, "reg.example", "ml/iris", Some("a:b"));
        check(text, "reg.example", "mls/iris", Some("c:d:e"));
        check(text, "reg.example", "iris", Some("c:d:e"));
    }

    #[test]
    fn tokens_come_before_passwords_and_empty_entries_are_none() {
        let text = r#"{"auths": {"a.b": {"auth": "YTpi", "identitytoken": "x"}, "c.d": {"registrytoken": "y"}, "e.f": {}}}"#;
        check(text, "a.b", "i", Some("identity x"));
        check(text, "c.d", "i", Some("registry y"));
        check(text, "e.f", "i", None);
    }

    #[test]
    fn a_helper_of_a_registry_comes_before_the_one_for_all() {
        let file = file(r#"{"credsStore": "all", "credHelpers": {"reg.example": "own"}}"#);
        let helper = |host: &str| file.helper(&host.parse().unwrap()).map(str::to_owned);
        assert_eq!(helper("reg.example").as_deref(), Some("own"));
        assert_eq!(helper("other.example").as_deref(), Some("all"));
    }

    #[test]
    fn a_broken_entry_is_an_error_without_its_text() {
        let file = file(r#"{"auths": {"a.b": {"auth": "s3cret!"}}}"#);
        let error = file.find(&"a.b".parse().unwrap(), "i").unwrap_err().to_string();
        assert!(error.contains("a.b") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn saving_keeps_other_keys_and_closes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker/config.json");
        let mut file = AuthFile::read(&path).unwrap();
        file.document.insert("currentContext".to_owned(), json!("work"));
        file.keep(&"reg.example".parse().unwrap(), "a", &Secret::new("b".to_owned()));
        file.save().unwrap();
        let mut again = AuthFile::read(&path).unwrap();
        assert_eq!(again.document["currentContext"], "work");
        assert_eq!(again.document["auths"]["reg.example"]["auth"], "YTpi");
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{mode:o}");
        assert!(again.forget(&"reg.example".parse().unwrap()));
        assert!(!again.forget(&"reg.example".parse().unwrap()));
    }
}
