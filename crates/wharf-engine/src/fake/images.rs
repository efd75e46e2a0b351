//! The image store of the engine in memory: names and facts, and the content of images that were loaded.

use std::{collections::BTreeMap, io};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::json;
use wharf_spec::{digest::Digest, reference::Reference, workload::WorkloadId};

use super::{
    Fake, LONG_AGO, State,
    archive::{self, ArchiveLayer, Read},
    engine::NO_SUCH_IMAGE,
};
use crate::{
    BuildRequest, ImageFacts, Images, NamedImage,
    error::{EngineError, Result},
    is_of_wharf,
};

#[async_trait]
impl Images for Fake {
    async fn find(&self, image: &str) -> Result<Option<ImageFacts>> {
        let state = self.state();
        let by_id = || state.images.values().find(|facts| facts.id == image);
        let name =
            image.parse().map_or_else(|_| image.to_owned(), |name: Reference| name.to_string());
        Ok(state.images.get(&name).or_else(by_id).cloned())
    }

    async fn list(&self) -> Result<Vec<NamedImage>> {
        let state = self.state();
        let is_ours = |facts: &ImageFacts| facts.labels.keys().any(|name| is_of_wharf(name));
        let ours = state.images.iter().filter(|(_, facts)| is_ours(facts));
        let named = |(name, facts): (&String, &ImageFacts)| NamedImage {
            names: vec![name.clone()],
            facts: facts.clone(),
        };
        Ok(ours.map(named).collect())
    }

    async fn layers_held(&self, layers: &[Digest]) -> Result<usize> {
        let wanted: Vec<_> = layers.iter().map(Digest::to_string).collect();
        let state = self.state();
        let in_common = |found: &Content| {
            wanted.iter().zip(&found.layers).take_while(|(wanted, found)| wanted == found).count()
        };
        Ok(state.contents.values().map(in_common).max().unwrap_or(0))
    }

    async fn load(
        &self,
        archive: BoxStream<'static, Bytes>,
        reference: &Reference,
    ) -> Result<ImageFacts> {
        let refused =
            |source| EngineError::Refused { action: format!("load image `{reference}`"), source };
        let archive = Bytes::from(whole(archive).await);
        let Read { facts, config, layers } =
            archive::read(&archive).map_err(|error| refused(error.into()))?;
        self.change(|state| state.take_content(reference, config, layers))
            .map_err(|missing| refused(format!("open {missing}: no such file").into()))?;
        Ok(self.make(reference, facts))
    }

    /// An image that came here without content has no layers.
    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let missing = || EngineError::NoImage { image: image.to_owned() };
        let facts = self.find(image).await?.ok_or_else(missing)?;
        let mut state = self.state();
        state.images_saved += 1;
        let archive = state.archive(image, &facts);
        drop(state);
        let archive = archive.map_err(|error| EngineError::Refused {
            action: format!("save image `{image}`"),
            source: error.into(),
        })?;
        Ok(stream::iter([Ok(archive.into())]).boxed())
    }

    async fn build(
        &self,
        context: BoxStream<'static, Bytes>,
        request: BuildRequest<'_>,
    ) -> Result<ImageFacts> {
        (request.output)(format!("building {}", request.reference));
        let labels = request.labels.iter().cloned().collect();
        let size = whole(context).await.len() as u64;
        Ok(self.make(request.reference, ImageFacts { size, labels, ..nothing() }))
    }

    async fn commit(
        &self,
        id: &WorkloadId,
        reference: &Reference,
        labels: &[(String, String)],
    ) -> Result<ImageFacts> {
        self.state().get(id)?;
        let labels = labels.iter().cloned().collect();
        Ok(self.make(reference, ImageFacts { labels, ..nothing() }))
    }

    async fn pull(
        &self,
        reference: &Reference,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<ImageFacts> {
        progress(format!("pulling {reference}"));
        if reference.path().starts_with(NO_SUCH_IMAGE) {
            return Err(EngineError::NoImage { image: reference.to_string() });
        }
        Ok(self.make(reference, nothing()))
    }

    async fn remove(&self, image: &str) -> Result<()> {
        let name =
            image.parse().map_or_else(|_| image.to_owned(), |name: Reference| name.to_string());
        self.change(|state| {
            state.contents.remove(&name);
            state.images.remove(&name)
        });
        Ok(())
    }
}

impl Fake {
    fn make(&self, reference: &Reference, facts: ImageFacts) -> ImageFacts {
        let name = reference.to_string();
        self.change(|state| {
            state.images_made.push(name.clone());
            let id = format!("fake-image-{}", state.images_made.len());
            let facts = ImageFacts { id, created: Some(LONG_AGO.to_owned()), ..facts };
            state.images.insert(name, facts.clone());
            facts
        })
    }
}

/// What an image holds.
#[derive(Debug)]
pub(super) struct Content {
    config: Bytes,
    /// Their names, the lowest first.
    layers: Vec<String>,
}

impl State {
    /// Takes what an image holds, or returns the first layer that is neither in the archive nor there.
    fn take_content(
        &mut self,
        reference: &Reference,
        config: Bytes,
        layers: Vec<ArchiveLayer>,
    ) -> Result<(), String> {
        self.layers_sent.push(layers.iter().filter(|layer| layer.content.is_some()).count());
        let all: Vec<_> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let has = |at: usize| {
            !self.has_lost_layers
                && self.contents.values().any(|there| there.layers.starts_with(&all[..=at]))
        };
        let missing = (0..all.len()).find(|at| layers[*at].content.is_none() && !has(*at));
        if let Some(at) = missing {
            return Err(layers[at].name.clone());
        }
        for layer in layers {
            self.blobs.extend(layer.content.map(|content| (layer.diff_id, content)));
        }
        self.contents.insert(reference.to_string(), Content { config, layers: all });
        Ok(())
    }

    fn archive(&self, image: &str, facts: &ImageFacts) -> io::Result<Vec<u8>> {
        let same = self.images.iter().filter(|(_, found)| found.id == facts.id);
        let by_id = same.filter_map(|(name, _)| self.contents.get(name)).next();
        let Some(content) = self.contents.get(image).or(by_id) else {
            let ImageFacts { labels, env, .. } = facts;
            let config = json!({"os": "linux", "architecture": "amd64",
                "config": {"Labels": labels, "Env": env}, "rootfs": {"type": "layers", "diff_ids": []}});
            return archive::write(image, config.to_string().as_bytes(), &[]);
        };
        let layers = content.layers.iter().map(|layer| self.blobs[layer].clone());
        archive::write(image, &content.config, &layers.collect::<Vec<_>>())
    }
}

/// Collects a stream: what goes into an engine in memory is small.
async fn whole(mut pieces: BoxStream<'static, Bytes>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// Facts of an image of which nothing is known.
pub(super) fn nothing() -> ImageFacts {
    ImageFacts {
        id: String::new(),
        size: 0,
        labels: BTreeMap::new(),
        env: Vec::new(),
        exposed_ports: Vec::new(),
        created: None,
        platform: None,
    }
}
