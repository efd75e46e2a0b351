//! A model becomes an image: nothing is built when the same inputs were built before.
//!
//! - [`output`]: where it goes; [`recipe`]: how it is made, checked by name; [`way`]: by whom, [`weights`]: with or without the model's files; [`make`]: all outputs of one command;
//! - `native`, `python`: images of the two families of kinds; `docker_dir`, `dockerfile`, `template`: folders for
//!   `docker build`; `by_dockerfile`: images of such folders;
//! - [`foundation`]: base and packages of images with Python that wharf assembles itself; `ground`: finding the base;
//! - [`parts`]: what an image is made of, and what of it changed; `bill`: the same for its SBOM;
//! - `annotations`: what its manifest says of it;
//! - `measure`, [`ahead`]: the digests of layers, with as little reading as can be.

pub mod output;

pub mod recipe;

pub mod way;

pub mod weights;

pub mod make;

pub mod parts;

pub mod foundation;

mod ground;

mod bill;

mod annotations;

pub(crate) mod native;

mod python;

mod docker_dir;

mod dockerfile;

mod template;

mod by_dockerfile;

mod measure;

pub mod ahead;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Instant,
};

use wharf_engine::ImageFacts;
use wharf_model::recognise::Model;
use wharf_oci::image::Image;
use wharf_spec::{codes, digest::Digest, event::Event, model::ModelCard, reference::Reference};

use self::{
    foundation::{Foundation, Supplies},
    output::Output,
    recipe::Recipe,
    way::{Builder, Cache, Way},
    weights::Weights,
};
use crate::{
    cache::FileCache,
    context::{Context, Helpers},
    error::{Error, Result},
    store::folder::FolderStore,
    supply::bill::Bill,
};

/// The label of an image that holds the digest of everything it was built from.
pub(crate) const KEY_LABEL: &str = "io.wharf.build.key";

/// The label of an image that holds the digest of the lock that its packages were installed from.
const LOCK_LABEL: &str = "io.wharf.lock";

/// Changes when the same inputs would be laid out otherwise, so that older images are not taken for new ones.
const FRAMING: &str = "wharf image v1";

/// What [`Built::by`] calls wharf itself.
const NATIVE: &str = "native";

/// Where the server program lies in every image.
pub(crate) const SERVER_PATH: &str = "/wharf-serve";

/// Where the bundle lies in every image.
const BUNDLE_PATH: &str = "/model";

/// The port on which the server listens in every image.
pub const SERVER_PORT: u16 = 8080;

/// The user in every image: nobody's, as distroless images have it.
const USER: &str = "65532:65532";

/// How a model is built for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOptions {
    /// The base image of kinds that run Python, in place of the default.
    pub base: Option<String>,
    /// The name of the image, in place of `wharf/<model>:<key>`.
    pub reference: Option<Reference>,
    pub way: Way,
    /// Where the container finds the model's files.
    pub weights: Weights,
}

/// What an image of a model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    #[default]
    ServerAndModel,
    /// The model is mounted into the container, so one image serves all of its versions.
    ServerAlone,
}

/// What happens to another image of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The name goes over to the new image.
    Replace,
    /// It is an error.
    Refuse,
}

/// An image that is in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub reference: Reference,
    pub facts: ImageFacts,
    /// The digest of everything it was built from.
    pub key: Digest,
    pub reused: bool,
    /// Bytes of layers that were sent to the engine, where wharf built it: the engine had the others.
    pub sent: Option<u64>,
    /// Who built it: `native` for wharf itself, else the engine's name.
    pub by: &'static str,
}

impl Built {
    /// Reports that it is there, and how long that took.
    pub(crate) fn tell(&self, context: &Context, made_of: String, start: Instant) {
        context.report(Event::ImageReady {
            reference: self.reference.to_string(),
            id: self.facts.id.clone(),
            made_of,
            size: self.facts.size,
            reused: self.reused,
            took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
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
    packing: Packing,
) -> Result<Built> {
    let recipe = Recipe::with_base(options.base.clone()).by(options.way);
    recipe.check(model.card.runtime, &[Output::Engine])?;
    let inputs = Inputs { packing, ..Inputs::gather(&context.helpers, model, &recipe).await? };
    let inputs = match recipe.is_assembled(model.card.runtime, &[]) {
        true => inputs.upon(context.supplies.as_ref()).await?,
        false => inputs,
    };
    let references: Vec<_> = options.reference.iter().cloned().collect();
    let mut images = engine_images(context, store, &inputs, &references, Existing::Replace).await?;
    Ok(images.remove(0))
}

/// An image that was assembled, and what it is made of.
#[derive(Debug, Clone)]
pub struct Assembled {
    pub image: Image,
    pub bill: Bill,
}

/// Assembles the image of a model, without any engine. Kinds that run Python need supplies.
///
/// # Errors
/// What the recipe asks for in vain, a base or a wheel that cannot be had, or a file that cannot be read.
pub async fn assemble(
    helpers: &Helpers,
    model: &Model,
    recipe: &Recipe,
    supplies: Option<&Supplies>,
) -> Result<Assembled> {
    let recipe = recipe.clone().by(Way { builder: Builder::Native, ..recipe.way });
    recipe.check(model.card.runtime, &[])?;
    let inputs = Inputs::gather(helpers, model, &recipe).await?.upon(supplies).await?;
    Ok(Assembled { image: native::assemble(&inputs).await?, bill: bill::bill(&inputs) })
}

/// What an image is made of, read once for all outputs.
struct Inputs<'a> {
    model: &'a Model,
    recipe: &'a Recipe,
    packing: Packing,
    program: PathBuf,
    program_hash: Digest,
    cache: Arc<FileCache>,
    /// Of an image with Python that wharf assembles itself.
    foundation: Option<Foundation>,
    assembled: OnceLock<Image>,
}

impl<'a> Inputs<'a> {
    async fn gather(helpers: &Helpers, model: &'a Model, recipe: &'a Recipe) -> Result<Self> {
        let program = recipe.program(helpers, model.card.runtime)?;
        let cache = helpers.cache.clone();
        let program_hash = hash_file(&cache, &program).await?;
        let (foundation, assembled) = (None, OnceLock::new());
        let packing = Packing::default();
        Ok(Self { model, recipe, packing, program, program_hash, cache, foundation, assembled })
    }

    /// Returns the same for an image that wharf assembles itself: one with Python needs a foundation.
    async fn upon(self, supplies: Option<&Supplies>) -> Result<Self> {
        if self.model.card.runtime.is_native() {
            return Ok(self);
        }
        let supplies = supplies.expect("the caller brings them for kinds that run Python");
        let foundation = Some(Foundation::lay(&self, supplies).await?);
        Ok(Self { foundation, ..self })
    }

    /// Returns the digest of everything that an image on this base is built from.
    fn key(&self, base: &str) -> Digest {
        let program = self.program_hash.to_string();
        let model = match self.packing {
            Packing::ServerAndModel => self.model.card.hash().to_string(),
            Packing::ServerAlone => String::new(),
        };
        key(&[FRAMING, base, &program, &model, &self.recipe.key()])
    }

    /// Returns the key of the image that wharf assembles itself.
    fn native_key(&self) -> Digest {
        let foundation = self.foundation.as_ref();
        let lower = foundation.map_or_else(|| "scratch".to_owned(), |it| it.key.to_string());
        let own = self.key(&lower);
        match &self.recipe.created {
            None => own,
            Some(created) => key(&["created", created, &own.to_string()]),
        }
    }

    /// Returns the digest of the lock that its packages come from, where wharf installs them.
    fn lock(&self) -> Option<Digest> {
        self.foundation.as_ref().and_then(|foundation| foundation.lock)
    }

    /// Returns the image that wharf assembles itself; its layers are read for their digests by the first call.
    async fn image(&self) -> Result<&Image> {
        if let Some(image) = self.assembled.get() {
            return Ok(image);
        }
        let image = native::assemble(self).await?;
        Ok(self.assembled.get_or_init(|| image))
    }

    /// Returns the names to give: the wished ones, else one of the key.
    fn references(&self, wished: &[Reference], key: &Digest) -> Result<Vec<Reference>> {
        if wished.is_empty() {
            Ok(vec![default_reference(&self.model.card, key)?])
        } else {
            Ok(wished.to_vec())
        }
    }

    /// Returns the labels of an image with this key.
    fn labels(&self, key: &Digest, base: Option<&str>) -> Result<Vec<(String, String)>> {
        let mut labels = vec![(KEY_LABEL.to_owned(), key.to_string())];
        labels.extend(self.content_labels());
        let parts = parts::parts(self, base, self.lock())?;
        labels.push((parts::LABEL.to_owned(), parts::as_label(&parts)));
        Ok(labels)
    }

    /// Returns the labels that say what an image holds.
    fn content_labels(&self) -> Vec<(String, String)> {
        let model = match self.packing {
            Packing::ServerAndModel => model_labels(self.model),
            Packing::ServerAlone => Vec::new(),
        };
        let lock = self.lock().map(|lock| (LOCK_LABEL.to_owned(), lock.to_string()));
        model.into_iter().chain(lock).collect()
    }
}

/// Brings the image into the engine under each name, unless it is there.
async fn engine_images(
    context: &Context,
    store: &FolderStore,
    inputs: &Inputs<'_>,
    wished: &[Reference],
    existing: Existing,
) -> Result<Vec<Built>> {
    let is_assembled = inputs.model.card.runtime.is_native() || inputs.foundation.is_some();
    if inputs.foundation.is_none() && inputs.recipe.is_by_dockerfile(inputs.model.card.runtime) {
        return by_dockerfile::images(context, inputs, wished, existing).await;
    }
    let start = Instant::now();
    let way = inputs.recipe.way;
    let base = if is_assembled {
        None
    } else {
        let name = python::base_name(inputs, context.install.python_version.as_deref());
        Some(python::base(context, name, way.pull).await?)
    };
    let key = base.as_ref().map_or_else(|| inputs.native_key(), |base| inputs.key(&base.facts.id));
    let lower =
        inputs.foundation.as_ref().map_or_else(|| "scratch".to_owned(), Foundation::base_name);
    let mut found = Vec::new();
    for reference in inputs.references(wished, &key)? {
        let there = find(context, &reference, &key, existing, way.cache).await?;
        found.push((reference, there));
    }
    let labels = inputs.labels(&key, base.as_ref().map(|base| base.name.as_str()))?;
    let mut images = Vec::with_capacity(found.len());
    for (reference, there) in found {
        let reused = there.is_some();
        let mut sent = None;
        let facts = match (there, &base) {
            (Some(facts), _) => facts,
            (None, None) => {
                let loaded = native::load(context, inputs.image().await?, &reference).await?;
                sent = Some(loaded.sent);
                loaded.facts
            }
            (None, Some(base)) => {
                let installer = python::Installer { context, store, cache: way.cache };
                installer.build(inputs, base, &reference, &labels).await?
            }
        };
        let by = if base.is_some() { context.engine.name() } else { NATIVE };
        let base = base.as_ref().map_or(lower.as_str(), |base| base.name.as_str());
        let built = Built { reference, facts, key, reused, sent, by };
        let whom = if by == NATIVE { "wharf itself" } else { by };
        built.tell(context, format!("{base} + server, by {whom}"), start);
        images.push(built);
    }
    Ok(images)
}

/// Returns the image of that name and key, if it is there; another one of that name may be an error.
async fn find(
    context: &Context,
    reference: &Reference,
    key: &Digest,
    existing: Existing,
    cache: Cache,
) -> Result<Option<ImageFacts>> {
    let found = context.images()?.find(&reference.to_string()).await?;
    let is_same = |facts: &ImageFacts| facts.labels.get(KEY_LABEL) == Some(&key.to_string());
    match (found, existing) {
        (Some(facts), _) if is_same(&facts) => Ok(Some(facts).filter(|_| cache == Cache::Use)),
        (Some(_), Existing::Refuse) => Err(other_image(reference)),
        (_, _) => Ok(None),
    }
}

/// Returns the error of a name that another image has.
pub(crate) fn other_image(reference: &Reference) -> Error {
    Error::new(codes::IMAGE_EXISTS, format!("there is another image `{reference}` already"))
        .hint("give it another tag, or replace it with `--force` (`force_overwrite: true`)")
}

fn default_reference(card: &ModelCard, key: &Digest) -> Result<Reference> {
    Ok(Reference::local(&format!("wharf/{}", card.name), &key.hex()[..12])?)
}

/// Returns the labels that say which model an image holds; none begins with `wharf.`, since those are believed on
/// containers only.
fn model_labels(model: &Model) -> Vec<(String, String)> {
    [
        ("io.wharf.model.hash", model.card.hash().to_string()),
        ("io.wharf.model.kind", model.card.kind.to_string()),
        ("org.opencontainers.image.title", model.card.name.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Returns the digest of several texts, each with its length before it.
pub(crate) fn key(parts: &[&str]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Digest::blake3(&bytes)
}

async fn hash_file(cache: &Arc<FileCache>, path: &Path) -> Result<Digest> {
    let (cache, owned) = (cache.clone(), path.to_owned());
    let hashing = tokio::task::spawn_blocking(move || cache.hash(&owned));
    let hashed = hashing.await.expect("hashing does not panic");
    hashed.map_err(|source| Error::file("read", path, source))
}
