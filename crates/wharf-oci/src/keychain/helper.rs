//! Credential helpers: `docker-credential-NAME get|store|erase`, fed by stdin (Docker's credential helper protocol).

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};
use wharf_spec::secret::Secret;

use super::{Credential, KeychainError, Result};

/// How long a helper may take; some ask their user.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest answer of a helper that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// The user name that says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What helpers say, in Docker's own words, of a registry that they do not know.
const NOT_FOUND: &str = "credentials not found";

pub(super) struct Helper {
    pub(super) name: String,
    program: PathBuf,
    /// The file that names it.
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL")]
    server: String,
    username: String,
    secret: String,
}

impl Helper {
    /// Finds the program. Its name is a plain file name: it comes from a file, and must lead nowhere else.
    pub(super) fn find(name: &str, file: &Path, folders: &[PathBuf]) -> Result<Self> {
        let fail = |why: &str| KeychainError::Helper {
            name: name.to_owned(),
            path: file.to_owned(),
            why: why.to_owned(),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(is_plain) {
            return Err(fail("has a name that no program has"));
        }
        let program = format!("docker-credential-{name}");
        let found = folders.iter().map(|folder| folder.join(&program)).find(|path| path.is_file());
        let program = found.ok_or_else(|| fail("was not found on PATH"))?;
        Ok(Self { name: name.to_owned(), program, file: file.to_owned() })
    }

    /// Returns what the helper knows of a registry.
    pub(super) async fn get(&self, server: &str) -> Result<Option<Credential>> {
        let Some(answer) = self.run("get", server).await? else { return Ok(None) };
        let entry: Entry = serde_json::from_str(&answer)
            .map_err(|_| self.fail("did not answer with the JSON of a credential"))?;
        let secret = Secret::new(entry.secret);
        Ok(Some(match entry.username.as_str() {
            TOKEN_USER => Credential::IdentityToken(secret),
            _ => Credential::Password { user: entry.username, password: secret },
        }))
    }

    pub(super) async fn store(
        &self,
        server: &str,
        user: &str,
        password: &Secret<String>,
    ) -> Result<()> {
        let entry = Entry {
            server: server.to_owned(),
            username: user.to_owned(),
            secret: password.expose().clone(),
        };
        let entry = serde_json::to_string(&entry).expect("plain data");
        self.run("store", &entry).await.map(drop)
    }

    /// Makes the helper forget a registry, and says whether it knew it.
    pub(super) async fn erase(&self, server: &str) -> Result<bool> {
        if self.run("get", server).await?.is_none() {
            return Ok(false);
        }
        self.run("erase", server).await?;
        Ok(true)
    }

    /// Runs one action; `None` when the helper does not know the registry.
    async fn run(&self, action: &str, input: &str) -> Result<Option<String>> {
        let talk = self.talk(action, input);
        let (success, answer) = match tokio::time::timeout(PATIENCE, talk).await {
            Ok(talked) => talked.map_err(|error| self.fail(&format!("does not run ({error})")))?,
            Err(_) => return Err(self.fail("did not answer within 60 s")),
        };
        if success {
            return Ok(Some(answer));
        }
        if answer.to_lowercase().contains(NOT_FOUND) {
            return Ok(None);
        }
        // After a failure its words are no secret; before `get` succeeds there is none.
        let said: String = answer.trim().chars().take(200).collect();
        Err(self.fail(&format!("failed to `{action}`: {said}")))
    }

    async fn talk(&self, action: &str, input: &str) -> std::io::Result<(bool, String)> {
        let mut child = Command::new(&self.program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut answer = Vec::new();
        let tell = async {
            // A helper may end without reading all.
            stdin.write_all(input.as_bytes()).await.ok();
            drop(stdin);
        };
        let mut stdout = stdout.take(MAX_ANSWER);
        let ((), read) = tokio::join!(tell, stdout.read_to_end(&mut answer));
        read?;
        drop(stdout);
        let status = child.wait().await?;
        Ok((status.success(), String::from_utf8_lossy(&answer).into_owned()))
    }

    fn fail(&self, why: &str) -> KeychainError {
        KeychainError::Helper {
            name: self.name.clone(),
            path: self.file.clone(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::keychain::Keychain;

    /// A helper that keeps one secret in a file.
    const SCRIPT: &str = r#"#!/bin/sh
cd "${0%/*}"
case $1 in
  get) read -r server; cat "kept" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
  store) cat >"kept" ;;
  erase) rm "kept" ;;
esac
"#;

    fn keychain(folder: &Path) -> Keychain {
        let program = folder.join("docker-credential-test");
        fs::write(&program, SCRIPT).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("config.json"), r#"{"credsStore": "test"}"#).unwrap();
        Keychain { files: vec![folder.join("config.json")], programs: vec![folder.to_owned()] }
    }

    #[tokio::test]
    async fn a_helper_keeps_finds_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let keychain = keychain(folder.path());
        let host = "reg.example".parse().unwrap();
        assert_eq!(keychain.find(&host, "iris").await.unwrap(), None);
        let password = Secret::new("s3cret".to_owned());
        keychain.keep(&host, "ann", &password).await.unwrap();
        let file = fs::read_to_string(folder.path().join("config.json")).unwrap();
        assert!(!file.contains("auth\""), "the helper keeps it, not the file: {file}");
        let found = keychain.find(&host, "iris").await.unwrap();
        assert_eq!(found, Some(Credential::Password { user: "ann".to_owned(), password }));
        assert!(keychain.forget(&host).await.unwrap());
        assert!(!keychain.forget(&host).await.unwrap());
    }

    #[tokio::test]
    async fn a_helper_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut keychain = keychain(folder.path());
        keychain.programs.clear();
        let error = keychain.find(&"a.b".parse().unwrap(), "iris").await.unwrap_err();
        assert!(error.to_string().contains("docker-credential-test"), "{error}");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["../evil", "a/b", "a b", "a\n"] {
            assert!(Helper::find(name, Path::new("config.json"), &[]).is_err(), "{name:?}");
        }
    }
}
