//! A model becomes an image: nothing is built when the same inputs were built before.

mod native;

mod python;

use std::{fs::File, io, path::Path, time::Instant};

use wharf_engine::ImageFacts;
use wharf_model::recognise::Model;
use wharf_spec::{
    digest::Digest,
    event::Event,
    model::{ModelCard, RuntimeKind},
    reference::Reference,
};

use crate::{
    context::Context,
    error::{Error, Result},
    store::folder::FolderStore,
};

/// The label of an image that holds the digest of everything it was built from.
const KEY_LABEL: &str = "io.wharf.build.key";

/// Changes when the same inputs would be laid out otherwise, so that older images are not taken for new ones.
const FRAMING: &str = "wharf image v1";

/// Where the server program lies in every image.
pub(crate) const SERVER_PATH: &str = "/wharf-serve";

/// Where the bundle lies in every image.
const BUNDLE_PATH: &str = "/model";

/// The port on which the server listens in every image.
pub const SERVER_PORT: u16 = 8080;

/// The user in every image: nobody's, as distroless images have it.
const USER: &str = "65532:65532";

/// How a model is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOptions {
    /// The base image of kinds that run Python, in place of the default.
    pub base: Option<String>,
    /// The name of the image, in place of `wharf/<model>:<key>`.
    pub reference: Option<Reference>,
}

/// An image that is in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub reference: Reference,
    pub facts: ImageFacts,
    /// The digest of everything it was built from.
    pub key: Digest,
    pub reused: bool,
}

/// Builds the image of a model, unless it is there.
///
/// # Errors
/// When a file cannot be read, a requirement cannot be installed, or the engine refuses the image.
pub async fn build(
    context: &Context,
    store: &FolderStore,
    model: &Model,
    options: &BuildOptions,
) -> Result<Built> {
    let start = Instant::now();
    let server = context.helpers.program(model.card.runtime)?;
    let server_hash = hash_file(&server).await?;
    let base = match model.card.runtime {
        RuntimeKind::Python => Some(python::base(context, model, options).await?),
        RuntimeKind::Trees | RuntimeKind::OnnxMl | RuntimeKind::Neural => {
            native::refuse_base(options)?;
            None
        }
    };
    let base_id = base.as_ref().map_or("scratch", |base| base.facts.id.as_str());
    let key = key(&[FRAMING, base_id, &server_hash.to_string(), &model.card.hash().to_string()]);
    let reference = match &options.reference {
        Some(reference) => reference.clone(),
        None => default_reference(&model.card, &key)?,
    };
    let found = context.images()?.find(&reference.to_string()).await?;
    let reusable = found.filter(|facts| facts.labels.get(KEY_LABEL) == Some(&key.to_string()));
    let reused = reusable.is_some();
    let facts = match (reusable, &base) {
        (Some(facts), _) => facts,
        (None, Some(base)) => {
            let installer = python::Installer { context, store };
            installer.build(model, base, &server, &reference, &key).await?
        }
        (None, None) => native::build(context, model, &server, &reference, &key).await?,
    };
    context.report(Event::ImageReady {
        reference: reference.to_string(),
        id: facts.id.clone(),
        base: base.map_or_else(|| "scratch".to_owned(), |base| base.name),
        size: facts.size,
        reused,
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    Ok(Built { reference, facts, key, reused })
}

fn default_reference(card: &ModelCard, key: &Digest) -> Result<Reference> {
    Ok(Reference::local(&format!("wharf/{}", card.name), &key.hex()[..12])?)
}

/// Returns the digest of several texts, each with its length before it.
fn key(parts: &[&str]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Digest::blake3(&bytes)
}

async fn hash_file(path: &Path) -> Result<Digest> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut File::open(&owned)?, &mut hasher)?;
        Ok(Digest::new(wharf_spec::digest::Algorithm::Blake3, *hasher.finalize().as_bytes()))
    });
    let hashed: io::Result<Digest> = hashed.await.expect("hashing does not panic");
    hashed.map_err(|source| Error::file("read", path, source))
}
