//! A model that is mounted into its container: its own files from where they lie, and the card from the store.

use std::{fs, path::Path};

use wharf_model::{
    known::KnownFiles as _,
    recognise::{FileSource, Model},
};
use wharf_spec::{
    digest::Digest,
    label,
    model::{CARD_FILE, CardFile},
    mounted::{MOUNTED_FILE, MOUNTED_SCHEMA, Mounted, MountedFile},
    stamp::Stamp,
    status::{Phase, Status},
    workload::Mount,
};

use crate::{
    build::native::in_bundle,
    context::Context,
    error::{Error, Result},
    store::{RecordName, folder::FolderStore},
};

/// What a container gets in place of layers.
#[derive(Debug)]
pub(super) struct MountedModel {
    pub(super) hash: Digest,
    pub(super) mounts: Vec<Mount>,
}

impl MountedModel {
    /// Writes what is not a file of the user into the store. A generation that still runs keeps its own.
    pub(super) fn lay(
        context: &Context,
        store: &FolderStore,
        record: &RecordName,
        model: &Model,
    ) -> Result<Self> {
        let hash = model.card.hash();
        let mut mounts = Vec::new();
        let mut files = Vec::new();
        let mut small = vec![(
            CARD_FILE,
            serde_json::to_vec_pretty(&model.card).expect("a card is plain data"),
        )];
        for (file, source) in model.card.files.iter().zip(&model.sources) {
            match source {
                FileSource::Bytes(bytes) => small.push((&file.path, bytes.clone())),
                FileSource::File(path) => {
                    files.push(listed(context, file, path)?);
                    mounts.push(mount(path, &file.path)?);
                }
            }
        }
        let mounted = Mounted { schema: MOUNTED_SCHEMA.to_owned(), files };
        small.push((MOUNTED_FILE, serde_json::to_vec(&mounted).expect("a list is plain data")));
        for (name, bytes) in small {
            let path = store.write_mounted(record, &hash, name, &bytes)?;
            mounts.push(mount(&path, name)?);
        }
        Ok(Self { hash, mounts })
    }
}

/// Returns the hash of the mounted model that the running one of these generations has.
pub(super) fn hash_of(there: &[Status]) -> Option<Digest> {
    let mut running = there.iter().filter(|status| status.phase == Phase::Running);
    running.find_map(|status| status.labels.get(label::MOUNTED)?.parse().ok())
}

fn mount(source: &Path, place: &str) -> Result<Mount> {
    // A link is followed here, by the eyes of the person, and not by the engine's.
    let source = fs::canonicalize(source).map_err(|error| Error::file("mount", source, error))?;
    let target = format!("/{}", in_bundle(place));
    Ok(Mount { source: source.display().to_string(), target, read_only: true })
}

/// Returns a file of the user with its state, where that is known to be the state of this very content.
fn listed(context: &Context, file: &CardFile, path: &Path) -> Result<MountedFile> {
    let facts = fs::metadata(path).map_err(|error| Error::file("mount", path, error))?;
    let stamp = Stamp::of(&facts);
    let known = context.helpers.cache.find(&stamp);
    let is_known = known.is_some_and(|known| known.hash == file.hash);
    Ok(MountedFile { path: file.path.clone(), stamp: is_known.then_some(stamp) })
}
