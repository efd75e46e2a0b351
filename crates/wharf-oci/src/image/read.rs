//! An image of others, as its manifest and config say: checked, so that it can be loaded, or built upon.

use serde::Deserialize;

use super::{Image, ImageLayer};
use crate::{
    error::{OciError, Result},
    manifest::{self, MAX_CONFIG, Platform},
    store::bytes_of,
    tree::Tree,
};

/// The fields of a config that are looked at.
#[derive(Deserialize)]
pub(crate) struct ConfigFacts {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    pub(crate) created: Option<String>,
    pub(crate) rootfs: RootFs,
}

#[derive(Deserialize)]
pub(crate) struct RootFs {
    #[serde(default)]
    pub(crate) diff_ids: Vec<String>,
}

impl ConfigFacts {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        // What is passed over here is built upon later, so all of it must be JSON that can be kept.
        manifest::json::<serde_json::Value>(bytes).map_err(wrong)?;
        manifest::json(bytes).map_err(wrong)
    }

    fn platform(self) -> Platform {
        let Self { os, architecture, variant, .. } = self;
        Platform { os, architecture, variant: variant.filter(|variant| !variant.is_empty()) }
    }
}

pub(crate) fn wrong(why: String) -> OciError {
    OciError::Foreign { what: "image's config".to_owned(), why }
}

impl Image {
    /// Reads the config of a manifest, and returns the image with its layers where they are. Blocks: call it on a
    /// thread of its own.
    ///
    /// # Errors
    /// When it is no image that can run, or its config does not fit its layers.
    pub fn read(tree: Tree) -> Result<Self> {
        let is_image = tree.is_image();
        let Tree { document, config: Some(config), layers, .. } = tree else {
            return Err(wrong("an index has none".to_owned()));
        };
        if !is_image {
            let found = config.descriptor.media_type.escape_debug();
            return Err(wrong(format!("`{found}` is not an image's: this is something else")));
        }
        let bytes = bytes_of(&*config.content, &config.descriptor, MAX_CONFIG)?;
        let ids = ConfigFacts::parse(&bytes)?.rootfs.diff_ids;
        if ids.len() != layers.len() {
            let why = format!("it has {} layers, its manifest {}", ids.len(), layers.len());
            return Err(wrong(why));
        }
        let layers = ids.iter().zip(layers).map(|(id, layer)| {
            Ok(ImageLayer {
                descriptor: layer.descriptor,
                diff_id: manifest::sha256(id).map_err(wrong)?,
                content: layer.content,
                mount_from: layer.home,
                title: String::new(),
            })
        });
        Ok(Self {
            manifest: document,
            config_descriptor: config.descriptor,
            layers: layers.collect::<Result<_>>()?,
            config: bytes.into(),
        })
    }

    /// Returns what a machine must be for it, as its config says.
    ///
    /// # Errors
    /// When the config says it in no form that wharf knows.
    pub fn platform(&self) -> Result<Platform> {
        Ok(ConfigFacts::parse(&self.config)?.platform())
    }

    /// Returns when it was made, as its config says.
    pub fn created(&self) -> Option<String> {
        ConfigFacts::parse(&self.config).ok()?.created
    }
}
