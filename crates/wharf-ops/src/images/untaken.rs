//! An image of an engine that was taken before: what names its layers is known, and their bytes are still in the engine.
//!
//! Who builds upon such an image mostly needs no byte of it, since whoever gets the new one has the layers below. An
//! engine gives an image only as a whole, so with the first layer that is wanted all of them come, once.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::runtime::Handle;
use wharf_oci::{
    blob::Blob,
    descriptor::Descriptor,
    error::{OciError, Result},
    image::Image,
    manifest::{self, Content, ImageManifest},
    tree::{Part, Tree},
};

use super::engine::{EngineStore, FoundImage};
use crate::cache::{FileCache, KnownImage};

/// Keeps what names the layers of an image.
pub(super) fn keep(cache: &FileCache, id: &str, image: &Image) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    if let (Some(manifest), Some(config)) = (text(&image.manifest().bytes), text(image.config())) {
        cache.keep_image(id, &KnownImage { manifest, config });
    }
}

/// Returns an image, where it is known. Must be called within the runtime that will take it.
pub(super) fn image(store: &EngineStore, found: &FoundImage) -> Option<Image> {
    let KnownImage { manifest, config } = store.cache.image(&found.id)?;
    let (document, content) = manifest::parse(manifest.as_bytes(), None).ok()?;
    let Content::Manifest(ImageManifest { config: descriptor, layers }) = content else {
        return None;
    };
    let config = Part { descriptor, content: Arc::new(bytes::Bytes::from(config)), home: None };
    let (store, found, runtime) = (store.clone(), found.clone(), Handle::current());
    let untaken = Arc::new(Untaken { store, found, runtime, taken: Mutex::default() });
    let layers = layers.into_iter().enumerate().map(|(at, descriptor)| {
        let layer = UntakenLayer { image: untaken.clone(), at, descriptor: descriptor.clone() };
        Part { descriptor, content: Arc::new(layer), home: None }
    });
    let layers = layers.collect();
    Image::read(Tree { document, config: Some(config), layers, children: Vec::new() }).ok()
}

/// An image that is taken out of its engine when it is wanted.
#[derive(Debug)]
struct Untaken {
    store: EngineStore,
    found: FoundImage,
    runtime: Handle,
    taken: Mutex<Option<Image>>,
}

impl Untaken {
    /// Takes it, once. Blocks.
    fn take(&self) -> Result<Image> {
        let mut taken = self.taken.lock().expect("nobody panics with it");
        if let Some(image) = &*taken {
            return Ok(image.clone());
        }
        let image =
            self.runtime.block_on(self.store.save(&self.found)).map_err(OciError::brought)?;
        Ok(taken.insert(image).clone())
    }
}

/// One of its layers.
#[derive(Debug)]
struct UntakenLayer {
    image: Arc<Untaken>,
    at: usize,
    descriptor: Descriptor,
}

impl Blob for UntakenLayer {
    fn write(&self, writer: &mut dyn io::Write) -> Result<()> {
        let image = self.image.take()?;
        let Descriptor { digest, .. } = self.descriptor;
        match image.layers().get(self.at).filter(|layer| layer.descriptor == self.descriptor) {
            Some(layer) => layer.content.write(writer),
            None => {
                let why = "the engine gives another one by now".to_owned();
                Err(OciError::Blob { digest, why })
            }
        }
    }
}
