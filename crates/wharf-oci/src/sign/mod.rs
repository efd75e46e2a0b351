//! Signatures of images in a registry, in the forms that cosign reads: made with a key, checked with its public half.
//!
//! - [`key`]: keys, `sealed`: those with a password; [`document`]: what is signed; `classic`: the older form;
//! - this file: signing an image with all its platforms, or a statement about it, and checking one digest.

pub mod key;

pub mod sealed;

pub mod document;

mod classic;

use serde::Deserialize;
use serde_json::json;
use wharf_spec::{
    codes,
    digest::Digest,
    error::{Code, Explain},
};

use self::{
    document::{BUNDLE_FAMILY, Bundle, SIGN, Wanted, bundle, statement},
    key::{PublicKey, SigningKey},
};
use crate::{
    attachment::Referrer,
    descriptor::{Descriptor, INDEX, MANIFEST},
    registry::{ManifestName, Registry, error::RegistryError},
};

pub type Result<T, E = SignError> = std::result::Result<T, E>;

/// The most signatures of one image that are looked at.
const MAX_SIGNATURES: usize = 50;

/// Why a signature does not hold, or could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    #[error("{digest} has no signature")]
    Unsigned { digest: Digest },
    #[error("{digest} is signed, but by none of the keys given")]
    OtherKey { digest: Digest },
    #[error("the registry cannot be asked")]
    Registry(#[source] RegistryError),
}

impl From<RegistryError> for SignError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl Explain for SignError {
    fn code(&self) -> Code {
        match self {
            Self::Unsigned { .. } => codes::UNSIGNED,
            Self::OtherKey { .. } => codes::OTHER_SIGNATURE,
            Self::Registry(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unsigned { .. } => vec![
                "have it signed by whoever built it: `wharf image sign REF --key FILE`".to_owned(),
            ],
            Self::OtherKey { .. } => vec![
                "use nothing of it, unless you know who else signs: name that key with `--key FILE`".to_owned(),
            ],
            Self::Registry(error) => error.hints(),
        }
    }
}

/// A signature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Bundle,
    Classic,
}

impl Form {
    /// Returns its name for people and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Classic => "classic",
        }
    }
}

/// Signs an image in both forms, and each of its platforms where it is an index. Returns the digests that were signed
/// now; what this key has signed already is left alone.
///
/// # Errors
/// When the registry refuses, or takes no attachments.
pub async fn sign(
    registry: &Registry,
    repository: &str,
    name: &ManifestName<'_>,
    key: &SigningKey,
) -> Result<Vec<Digest>> {
    let manifest = registry.manifest(repository, name).await?;
    let document: Media = serde_json::from_slice(&manifest).unwrap_or_default();
    let media_type = document.media_type.as_deref().unwrap_or(match document.manifests {
        Some(_) => INDEX,
        None => MANIFEST,
    });
    let top = Descriptor::of(media_type, &manifest);
    let platforms = document.manifests.unwrap_or_default();
    let mut signed = Vec::new();
    let mut subjects = vec![top];
    subjects.extend(platforms.into_iter().map(Platform::descriptor));
    for subject in subjects {
        if sign_one(registry, repository, &subject, key).await? {
            signed.push(subject.digest);
        }
    }
    Ok(signed)
}

/// Signs one manifest, and says whether anything had to be done.
async fn sign_one(
    registry: &Registry,
    repository: &str,
    subject: &Descriptor,
    key: &SigningKey,
) -> Result<bool> {
    let digest = subject.digest;
    let keys = std::slice::from_ref(key.public());
    let wanted = Wanted { predicate_type: SIGN, keys, statement: None };
    let has_bundle = check_bundles(registry, repository, digest, wanted).await? == Outcome::Holds;
    if !has_bundle {
        let statement = statement(digest, SIGN, &json!({}));
        registry.attach(repository, subject, &[bundle(key, SIGN, &statement)]).await?;
    }
    let has_classic = classic::check(registry, repository, digest, keys).await? == Outcome::Holds;
    if !has_classic {
        classic::add(registry, repository, digest, key).await?;
    }
    Ok(!(has_bundle && has_classic))
}

/// Attaches a statement about an image ([`statement`]), signed, and says whether that had to be done.
///
/// # Errors
/// When the registry refuses, or takes no attachments.
pub async fn attest(
    registry: &Registry,
    repository: &str,
    subject: &Descriptor,
    statement: Statement<'_>,
    key: &SigningKey,
) -> Result<bool> {
    let Statement { predicate_type, bytes } = statement;
    let keys = std::slice::from_ref(key.public());
    let wanted = Wanted { predicate_type, keys, statement: Some(bytes) };
    if check_bundles(registry, repository, subject.digest, wanted).await? == Outcome::Holds {
        return Ok(false);
    }
    registry.attach(repository, subject, &[bundle(key, predicate_type, bytes)]).await?;
    Ok(true)
}

/// Says whether one of the keys has signed a statement of a kind about a manifest.
///
/// # Errors
/// When the registry cannot be asked, or has no attachments.
pub async fn is_attested(
    registry: &Registry,
    repository: &str,
    digest: Digest,
    predicate_type: &str,
    keys: &[PublicKey],
) -> Result<bool> {
    let wanted = Wanted { predicate_type, keys, statement: None };
    Ok(check_bundles(registry, repository, digest, wanted).await? == Outcome::Holds)
}

/// Checks that a manifest is signed by one of the keys, in either form.
///
/// # Errors
/// [`SignError::Unsigned`], [`SignError::OtherKey`], or a registry that cannot be asked or has no attachments.
pub async fn verify(
    registry: &Registry,
    repository: &str,
    digest: Digest,
    keys: &[PublicKey],
) -> Result<Form> {
    let wanted = Wanted { predicate_type: SIGN, keys, statement: None };
    let bundles = check_bundles(registry, repository, digest, wanted).await?;
    if bundles == Outcome::Holds {
        return Ok(Form::Bundle);
    }
    match (classic::check(registry, repository, digest, keys).await?, bundles) {
        (Outcome::Holds, _) => Ok(Form::Classic),
        (Outcome::None, Outcome::None) => Err(SignError::Unsigned { digest }),
        (_, _) => Err(SignError::OtherKey { digest }),
    }
}

/// A statement about an image.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    pub predicate_type: &'a str,
    /// The whole of it, as [`statement`] makes it.
    pub bytes: &'a [u8],
}

/// What is to be said of all signatures of one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    None,
    Others,
    Holds,
}

async fn check_bundles(
    registry: &Registry,
    repository: &str,
    digest: Digest,
    wanted: Wanted<'_>,
) -> Result<Outcome> {
    let referrers = registry.referrers(repository, digest).await?;
    let mut outcome = Outcome::None;
    // Collected: a closure that lives across an await keeps the whole from being sent to another thread.
    let candidates: Vec<_> =
        referrers.iter().filter(|one| may_be(one, wanted)).take(MAX_SIGNATURES).collect();
    for referrer in candidates {
        outcome = Outcome::Others;
        let bytes = match registry.attached(repository, referrer.digest).await {
            Err(error) if is_garbage(&error) => continue,
            bytes => bytes?,
        };
        let Some(bundle) = Bundle::parse(&bytes) else { continue };
        if bundle.is(&wanted, digest) {
            return Ok(Outcome::Holds);
        }
    }
    Ok(outcome)
}

/// Says whether an attachment may be what is wanted: statements of all kinds are signed in the same form.
fn may_be(referrer: &Referrer, wanted: Wanted<'_>) -> bool {
    let is_bundle =
        referrer.artifact_type.as_deref().is_some_and(|kind| kind.starts_with(BUNDLE_FAMILY));
    let states = referrer.annotations.get("dev.sigstore.bundle.predicateType");
    is_bundle && states.is_none_or(|states| states == wanted.predicate_type)
}

/// Says whether one attachment is to blame, not the registry: whoever may write there can put rubbish beside a signature.
fn is_garbage(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::NotFound { .. }
            | RegistryError::Answer { .. }
            | RegistryError::TooLarge { .. }
            | RegistryError::Digest { .. }
    )
}

/// What a manifest or an index says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Media {
    media_type: Option<String>,
    manifests: Option<Vec<Platform>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    media_type: String,
    digest: Digest,
    size: u64,
}

impl Platform {
    fn descriptor(self) -> Descriptor {
        let Self { media_type, digest, size } = self;
        Descriptor { media_type, digest, size }
    }
}
