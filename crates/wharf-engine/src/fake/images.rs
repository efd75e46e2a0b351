//! The image store of the engine in memory: names and facts, no layers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use wharf_spec::{reference::Reference, workload::WorkloadId};

use super::{Fake, LONG_AGO, archive, engine::NO_SUCH_IMAGE};
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

    async fn load(
        &self,
        archive: BoxStream<'static, Bytes>,
        reference: &Reference,
    ) -> Result<ImageFacts> {
        let facts =
            archive::facts(&whole(archive).await).map_err(|source| EngineError::Refused {
                action: format!("load image `{reference}`"),
                source: source.into(),
            })?;
        Ok(self.make(reference, facts))
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
        self.change(|state| state.images.remove(&name));
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
