//! Credentials of registries, where Docker and Podman keep them: their files, and the helper programs these name.

mod file;

mod helper;

use std::{io, path::PathBuf};

use wharf_spec::secret::Secret;

use self::{file::AuthFile, helper::Helper};
use crate::registry::host::RegistryHost;

/// Proof of who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Password {
        user: String,
        password: Secret<String>,
    },
    /// Stands for a password at the token server only (OAuth2's refresh token).
    IdentityToken(Secret<String>),
    /// Shown to the registry as it is.
    RegistryToken(Secret<String>),
}

/// The places where credentials may lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keychain {
    /// The first that knows a registry wins; new ones go into the first. One that is missing is empty.
    pub files: Vec<PathBuf>,
    /// The folders of helper programs.
    pub programs: Vec<PathBuf>,
}

/// Where credentials went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Into a file, readable by its owner only.
    File(PathBuf),
    /// Into the store of a helper: `docker-credential-NAME`.
    Helper(String),
}

/// What can go wrong with credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    #[error("could not read `{}`", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not write `{}`", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is not a file of credentials: {why}", .path.display())]
    Form { path: PathBuf, why: String },
    #[error("`docker-credential-{name}`, which `{}` names, {why}", .path.display())]
    Helper { name: String, path: PathBuf, why: String },
    #[error("there is no file that credentials could be kept in")]
    NoFile,
}

impl KeychainError {
    /// Says what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, .. } | Self::Write { path, .. } => {
                format!("see who may use it: `ls -l {}`", path.display())
            }
            Self::Form { path, .. } => {
                format!("mend `{}`, or move it away and log in again", path.display())
            }
            Self::Helper { name, .. } => format!(
                "put `docker-credential-{name}` on PATH, or take it out of `credsStore` or `credHelpers`"
            ),
            Self::NoFile => "name a folder for it: `DOCKER_CONFIG=FOLDER`".to_owned(),
        }
    }
}

type Result<T, E = KeychainError> = std::result::Result<T, E>;

impl Keychain {
    /// Finds what is known for a repository of a registry.
    ///
    /// # Errors
    /// When a file or a helper cannot be used: credentials that somebody relies on are not passed over in silence.
    pub async fn find(&self, host: &RegistryHost, repository: &str) -> Result<Option<Credential>> {
        for path in &self.files {
            let file = AuthFile::read(path)?;
            if let Some(helper) = self.helper(&file, host)?
                && let Some(found) = helper.get(host.key()).await?
            {
                return Ok(Some(found));
            }
            if let Some(found) = file.find(host, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps a password: with the helper that the first file names, else in that file.
    ///
    /// # Errors
    /// When that fails.
    pub async fn keep(
        &self,
        host: &RegistryHost,
        user: &str,
        password: &Secret<String>,
    ) -> Result<Kept> {
        let mut file = AuthFile::read(self.files.first().ok_or(KeychainError::NoFile)?)?;
        if let Some(helper) = self.helper(&file, host)? {
            helper.store(host.key(), user, password).await?;
            file.forget(host);
            file.save()?;
            return Ok(Kept::Helper(helper.name));
        }
        file.keep(host, user, password);
        file.save()?;
        Ok(Kept::File(file.path))
    }

    /// Forgets a registry everywhere, and says whether anything was known of it.
    ///
    /// # Errors
    /// When a file or a helper cannot be used.
    pub async fn forget(&self, host: &RegistryHost) -> Result<bool> {
        let mut known = false;
        for path in &self.files {
            let mut file = AuthFile::read(path)?;
            if let Some(helper) = self.helper(&file, host)? {
                known |= helper.erase(host.key()).await?;
            }
            if file.forget(host) {
                file.save()?;
                known = true;
            }
        }
        Ok(known)
    }

    fn helper(&self, file: &AuthFile, host: &RegistryHost) -> Result<Option<Helper>> {
        file.helper(host).map(|name| Helper::find(name, &file.path, &self.programs)).transpose()
    }
}
