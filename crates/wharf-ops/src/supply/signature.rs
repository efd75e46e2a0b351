//! Signatures of images in a registry: made, and checked before anything is done with them.

use tokio_util::sync::CancellationToken;
use wharf_oci::{
    descriptor::digest_of,
    registry::{Access, ManifestName, Registry, host::RegistryHost},
    sign::{
        self, Form, SignError,
        key::{PublicKey, SigningKey},
    },
};
use wharf_spec::{codes, digest::Digest, reference::Reference};

use super::PROVENANCE;
use crate::{
    context::cancelled,
    error::{Error, Result},
};

/// An image that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub digest: Digest,
    /// What was signed now, the image itself and its platforms; nothing when this key had signed all before.
    pub signed: Vec<Digest>,
}

/// Signs what a reference stands for, and each of its platforms.
///
/// # Errors
/// When the registry does not have it, refuses, or takes no attachments.
pub async fn sign(
    reference: &Reference,
    key: &SigningKey,
    access: &Access,
    cancel: &CancellationToken,
) -> Result<Signed> {
    let signing = async {
        let at = At::find(reference, access).await?;
        let name = ManifestName::Digest(at.digest);
        let signed = sign::sign(&at.registry, &at.repository, &name, key).await?;
        Ok::<_, SignError>(Signed { digest: at.digest, signed })
    };
    tokio::select! {
        signed = signing => signed.map_err(|error| Error::wrap(format!("could not sign `{reference}`"), error)),
        () = cancel.cancelled() => Err(cancelled()),
    }
}

/// An image whose signature holds. Whoever uses it uses it by the digest: a tag may move meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub digest: Digest,
    pub form: Form,
    /// The same image by its digest.
    pub reference: Reference,
    /// Its provenance is signed by one of the keys, too.
    pub provenance_signed: bool,
}

/// Finds out once what a reference stands for, and checks that one of the keys has signed that.
///
/// # Errors
/// `UNSIGNED`, `OTHER_SIGNATURE`, `NO_ATTACHMENTS`: three different things to do; or the registry cannot be asked.
pub async fn verify(
    reference: &Reference,
    keys: &[PublicKey],
    access: &Access,
    cancel: &CancellationToken,
) -> Result<Verified> {
    let verifying = async {
        let at = At::find(reference, access).await?;
        let At { registry, repository, digest } = &at;
        let form = sign::verify(registry, repository, *digest, keys).await?;
        let provenance_signed =
            sign::is_attested(registry, repository, *digest, PROVENANCE, keys).await?;
        Ok::<_, SignError>((*digest, form, provenance_signed))
    };
    let verified = tokio::select! {
        verified = verifying => verified,
        () = cancel.cancelled() => return Err(cancelled()),
    };
    let action = || format!("could not verify `{reference}`");
    let (digest, form, provenance_signed) =
        verified.map_err(|error| Error::wrap(action(), error))?;
    let host = reference.host().map(|host| format!("{host}/")).unwrap_or_default();
    let reference = format!("{host}{}@{digest}", reference.path()).parse()?;
    Ok(Verified { digest, form, reference, provenance_signed })
}

/// Where an image is.
struct At {
    registry: Registry,
    repository: String,
    digest: Digest,
}

impl At {
    async fn find(reference: &Reference, access: &Access) -> Result<Self, SignError> {
        let host = RegistryHost::of(reference);
        let repository = host.repository(reference);
        let registry = Registry::connect(host, &repository, access).await?;
        let manifest = registry.manifest(&repository, &named(reference)).await?;
        let digest = digest_of(&manifest);
        Ok(Self { registry, repository, digest })
    }
}

/// Returns what an image is asked for by: its digest, if the reference names one, else its tag.
pub(crate) fn named(reference: &Reference) -> ManifestName<'_> {
    match reference.digest() {
        Some(digest) => ManifestName::Digest(digest),
        None => ManifestName::Tag(reference.tag().unwrap_or("latest")),
    }
}

/// Reads the public keys that signatures are checked with.
///
/// # Errors
/// `SIGNING_KEY` when a file holds something else.
pub fn public_key(name: &str, text: &str) -> Result<PublicKey> {
    PublicKey::parse(text).map_err(|error| bad_key(name, error))
}

/// Returns the error of a key that cannot be used.
pub fn bad_key(name: &str, error: sign::key::KeyError) -> Error {
    let hint = match error {
        sign::key::KeyError::NoPassword | sign::key::KeyError::Password => {
            "give the key's password in WHARF_KEY_PASSWORD, or on stdin: `--password-stdin <FILE`"
        }
        _ => {
            "make a pair: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out wharf.key`, `openssl pkey -in wharf.key -pubout -out wharf.pub`"
        }
    };
    Error::new(codes::SIGNING_KEY, format!("`{name}` cannot be used as a key"))
        .because(error)
        .hint(hint)
}
