//! Keys on the command line: files, and the password that one of them may need.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use wharf_oci::sign::key::{KeyFile, MAX_KEY, PublicKey, SigningKey};
use wharf_ops::{
    error::{Error, Result},
    push::Supply,
    supply::{
        bill::Bill,
        signature::{bad_key, public_key},
    },
};
use wharf_spec::{codes, secret::Secret};

use super::{Session, login};

/// What goes to a registry with an image.
#[derive(Debug, Args)]
pub(crate) struct SupplyArgs {
    /// Attach no SBOM and no provenance to what is pushed
    #[arg(long)]
    pub(crate) no_sbom: bool,
    /// Sign what is pushed with this key [env: WHARF_KEY_PASSWORD]
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
}

impl SupplyArgs {
    /// Returns what goes with an image of this bill.
    pub(crate) async fn read(&self, session: &Session<'_>, bill: Bill) -> Result<Supply> {
        let bill = Some(bill).filter(|_| !self.no_sbom);
        Ok(Supply { bill, key: self.key(session).await? })
    }

    /// Reads the key that signs what is pushed, if one is named.
    pub(crate) async fn key(&self, session: &Session<'_>) -> Result<Option<Arc<SigningKey>>> {
        match &self.sign {
            Some(path) => Ok(Some(Arc::new(signing_key(session, path, false).await?))),
            None => Ok(None),
        }
    }
}

/// Reads a key that signs. A password is taken from stdin if that is said, else from WHARF_KEY_PASSWORD, else it is
/// asked for.
pub(crate) async fn signing_key(
    session: &Session<'_>,
    path: &Path,
    from_stdin: bool,
) -> Result<SigningKey> {
    let name = path.display().to_string();
    let file = KeyFile::parse(&text(session, path)?).map_err(|error| bad_key(&name, error))?;
    let password = match &file {
        KeyFile::Plain(_) => None,
        KeyFile::Sealed(_) => password(session, from_stdin).await?,
    };
    // What makes a password slow to guess makes it slow to use.
    let opening = tokio::task::spawn_blocking(move || file.open(password.as_ref()));
    let opened = opening.await.expect("opening a key does not panic");
    opened.map_err(|error| bad_key(&name, error))
}

async fn password(session: &Session<'_>, from_stdin: bool) -> Result<Option<Secret<String>>> {
    if from_stdin {
        // Keys may have an empty one.
        return login::password_on_stdin().map(Some);
    }
    match session.config.key_password() {
        Some(password) => Ok(Some(password)),
        None => login::ask_password(session).await,
    }
}

/// Reads the keys that signatures are checked with.
pub(crate) fn public_keys(session: &Session<'_>, paths: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let key = |path: &PathBuf| public_key(&path.display().to_string(), &text(session, path)?);
    paths.iter().map(key).collect()
}

fn text(session: &Session<'_>, path: &Path) -> Result<String> {
    use std::io::Read as _;
    let found = session.config.folder.join(path);
    let mut text = String::new();
    let read = std::fs::File::open(found)
        .and_then(|file| file.take(MAX_KEY as u64 + 1).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let action = format!("`{}` cannot be used as a key", path.display());
            Err(Error::new(codes::SIGNING_KEY, action)
                .because(error)
                .hint("keys are text (PEM): `openssl pkey -inform DER -in FILE` makes it so"))
        }
        Err(error) => Err(Error::file("read", path, error)),
    }
}
