//! Images that the engine builds of the folder that `--to context:PATH` would write.

use std::time::Instant;

use wharf_oci::layer::{Content, Entry, Layer};
use wharf_spec::{digest::Digest, reference::Reference};

use super::{Built, Existing, Inputs, docker_dir, find, hash_file, key, python};
use crate::{
    app::{self, Steps},
    context::{Context, cancelled},
    error::Result,
};

/// Brings the image into the engine under each name, unless it is there.
pub(super) async fn images(
    context: &Context,
    inputs: &Inputs<'_>,
    wished: &[Reference],
    existing: Existing,
) -> Result<Vec<Built>> {
    let start = Instant::now();
    let python_of_machine = context.install.python_version.as_deref();
    let way = inputs.recipe.way;
    let base = if inputs.model.card.runtime.is_native() {
        None
    } else {
        let name = python::base_name(inputs, python_of_machine);
        Some(python::base(context, name, way.pull).await?)
    };
    let base_id = base.as_ref().map_or("scratch", |base| base.facts.id.as_str());
    let entries = docker_dir::entries(inputs, python_of_machine)?;
    let key = of_folder(inputs, base_id, &entries).await?;
    let labels = inputs.labels(&key, base.as_ref().map(|base| base.name.as_str()))?;
    let mut images = Vec::new();
    for reference in inputs.references(wished, &key)? {
        let there = find(context, &reference, &key, existing, way.cache).await?;
        let reused = there.is_some();
        let facts = match there {
            Some(facts) => facts,
            None => {
                let steps = Steps {
                    shown: inputs.model.card.name.as_str(),
                    layer: Layer::new(entries.clone()),
                    dockerfile: app::DOCKERFILE,
                    hides_files: false,
                    reference: &reference,
                    labels: &labels,
                    // Its base was looked for above.
                    pull: false,
                    cache: way.cache,
                };
                tokio::select! {
                    facts = app::by_engine(context, steps) => facts?,
                    () = context.cancel.cancelled() => return Err(cancelled()),
                }
            }
        };
        let base = base.as_ref().map_or("scratch", |base| base.name.as_str());
        let by = context.engine.name();
        let built = Built { reference, facts, key, reused, sent: None, by };
        built.tell(context, format!("{base} + server, by {by} from a Dockerfile"), start);
        images.push(built);
    }
    Ok(images)
}

/// Returns the digest of everything that goes to the engine; the model's own files were hashed when it was
/// recognised.
async fn of_folder(inputs: &Inputs<'_>, base_id: &str, entries: &[Entry]) -> Result<Digest> {
    let mut texts = vec!["by dockerfile".to_owned(), inputs.key(base_id).to_string()];
    for entry in entries {
        if let Content::Bytes(bytes) = &entry.content {
            texts.push(format!("{}\0{}", entry.path, Digest::blake3(bytes)));
        }
    }
    if let Some(wheel) = inputs.recipe.wheel() {
        texts.push(hash_file(&inputs.cache, wheel).await?.to_string());
    }
    Ok(key(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
}
