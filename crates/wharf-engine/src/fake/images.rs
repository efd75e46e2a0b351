//! The image store of the engine in memory: names and facts, and of layers what they are called.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use wharf_spec::{digest::Digest, reference::Reference, workload::WorkloadId};

use super::{
    Fake, LONG_AGO, State,
    archive::{self, ArchiveLayer},
    engine::NO_SUCH_IMAGE,
};
use crate::{
    BuildRequest, ImageFacts, Images,
    error::{EngineError, Result},
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

    async fn layers_held(&self, layers: &[Digest]) -> Result<usize> {
        let wanted: Vec<_> = layers.iter().map(Digest::to_string).collect();
        let state = self.state();
        let in_common = |found: &Vec<String>| {
            wanted.iter().zip(found).take_while(|(wanted, found)| wanted == found).count()
        };
        Ok(state.layers.values().map(in_common).max().unwrap_or(0))
    }

    async fn load(
        &self,
        archive: BoxStream<'static, Bytes>,
        reference: &Reference,
    ) -> Result<ImageFacts> {
        let refused =
            |source| EngineError::Refused { action: format!("load image `{reference}`"), source };
        let read = archive::read(&whole(archive).await).map_err(|error| refused(error.into()))?;
        self.change(|state| state.take_layers(reference, &read.layers))
            .map_err(|missing| refused(format!("open {missing}: no such file").into()))?;
        Ok(self.make(reference, read.facts))
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
            state.layers.remove(&name);
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

impl State {
    /// Takes the layers of an image, or returns the first one that is neither in the archive nor there.
    fn take_layers(
        &mut self,
        reference: &Reference,
        layers: &[ArchiveLayer],
    ) -> Result<(), String> {
        self.layers_sent.push(layers.iter().filter(|layer| layer.comes).count());
        let all: Vec<_> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let has = |at: usize| {
            !self.has_lost_layers
                && self.layers.values().any(|there| there.starts_with(&all[..=at]))
        };
        let missing = (0..all.len()).find(|at| !layers[*at].comes && !has(*at));
        if let Some(at) = missing {
            return Err(layers[at].name.clone());
        }
        self.layers.insert(reference.to_string(), all);
        Ok(())
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
    }
}
