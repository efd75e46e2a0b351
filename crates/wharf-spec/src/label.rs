//! Labels of everything that wharf makes on an engine: enough to rebuild what runs, whose it is and how it was asked for.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    workload::{Workload, WorkloadId, WorkloadKind},
};

/// All labels of wharf begin so; images and users may not bring any.
pub const PREFIX: &str = "wharf.";
pub const PROJECT: &str = "wharf.project";
pub const NAME: &str = "wharf.name";
pub const KIND: &str = "wharf.kind";
pub const GENERATION: &str = "wharf.generation";
pub const ATTEMPT: &str = "wharf.attempt";
/// [`Workload::spec_digest`] of what was asked for.
pub const SPEC_DIGEST: &str = "wharf.spec-digest";
/// wharf's own digest of the image.
pub const IMAGE: &str = "wharf.image";
/// The id of the state store that made it.
pub const STORE: &str = "wharf.store";
/// How a service shows that it is ready: [`READY_HTTP`]; without it, wharf's own probe inside.
pub const READY: &str = "wharf.ready";
/// Its first published port answers over HTTP, whatever the status.
pub const READY_HTTP: &str = "http";
/// The hash of a model whose files are mounted, where they are not in the image.
pub const MOUNTED: &str = "wharf.mounted";
/// See [`crate::seal`].
pub const SEAL: &str = "wharf.seal";

/// Returns the labels that follow from a workload itself: all but [`STORE`], [`READY`], [`MOUNTED`] and [`SEAL`].
pub fn of(workload: &Workload) -> BTreeMap<String, String> {
    let id = &workload.id;
    let mut labels = BTreeMap::from([
        (PROJECT.to_owned(), id.project.to_string()),
        (NAME.to_owned(), id.name.to_string()),
        (KIND.to_owned(), workload.kind.word().to_owned()),
        (GENERATION.to_owned(), id.generation.to_string()),
        (ATTEMPT.to_owned(), workload.attempt.to_string()),
        (SPEC_DIGEST.to_owned(), workload.spec_digest().to_string()),
    ]);
    if let Some(digest) = &workload.image_digest {
        labels.insert(IMAGE.to_owned(), digest.to_string());
    }
    labels
}

/// What labels say of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    pub id: WorkloadId,
    pub attempt: u32,
    pub kind: WorkloadKind,
    pub spec_digest: Option<Digest>,
    pub image: Option<Digest>,
    pub store: Option<String>,
}

/// Reads labels back; `None` when they are not those of a workload.
pub fn read(labels: &BTreeMap<String, String>) -> Option<Labelled> {
    let text = |key: &str| labels.get(key).map(String::as_str);
    let kind = match text(KIND)? {
        "service" => WorkloadKind::Service,
        "job" => WorkloadKind::Job,
        _ => return None,
    };
    Some(Labelled {
        id: WorkloadId {
            project: text(PROJECT)?.parse().ok()?,
            name: text(NAME)?.parse().ok()?,
            generation: text(GENERATION)?.parse().ok()?,
        },
        attempt: text(ATTEMPT)?.parse().ok()?,
        kind,
        spec_digest: text(SPEC_DIGEST).and_then(|digest| digest.parse().ok()),
        image: text(IMAGE).and_then(|digest| digest.parse().ok()),
        store: text(STORE).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back_what_a_workload_wrote() {
        let id = WorkloadId {
            project: "default".parse().unwrap(),
            name: "iris".parse().unwrap(),
            generation: 3,
        };
        let mut workload = Workload::new(id.clone(), WorkloadKind::Service, "iris:1");
        workload.image_digest = Some(Digest::blake3(b"image"));
        let read = read(&of(&workload)).unwrap();
        assert_eq!(read.id, id);
        assert_eq!(read.spec_digest, Some(workload.spec_digest()));
        assert_eq!(read.image, workload.image_digest);
    }

    #[test]
    fn foreign_labels_are_not_a_workload() {
        assert_eq!(read(&BTreeMap::from([("wharf.name".to_owned(), "iris".to_owned())])), None);
    }
}
