//! What an image is made of: for `--dry-run`, and to say what of it changed.

use wharf_oci::layer::{Content, Entry};
use wharf_spec::digest::Digest;

use super::{Inputs, key, native, python};
use crate::error::Result;

/// The label of an image that holds the keys of its parts.
pub(super) const LABEL: &str = "io.wharf.build.parts";

/// A part of an image: a layer, or what makes several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `server wharf-serve`.
    pub title: String,
    /// The digest of what it is made from.
    pub key: Digest,
    /// Bytes, where they are known before it is made.
    pub size: Option<u64>,
}

impl Part {
    /// Returns the key as it stands in a label.
    fn short(&self) -> String {
        self.key.hex()[..16].to_owned()
    }

    /// Says whether an image with these labels has the part.
    pub(super) fn is_in(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        let keys = labels.get(LABEL).map_or("", String::as_str);
        keys.split(',').any(|key| key == self.short())
    }
}

/// Returns the value of [`LABEL`].
pub(super) fn as_label(parts: &[Part]) -> String {
    parts.iter().map(Part::short).collect::<Vec<_>>().join(",")
}

/// Returns the parts of an image, the lowest first; nothing is read but the names and sizes of files. What packages
/// the requirements come to is known by their lock, where there is one.
pub(super) fn parts(
    inputs: &Inputs<'_>,
    base: Option<&str>,
    lock: Option<Digest>,
) -> Result<Vec<Part>> {
    let Inputs { model, recipe, .. } = inputs;
    let mut parts = Vec::new();
    if let Some(base) = base {
        parts.push(Part { title: format!("base {base}"), key: key(&["base", base]), size: None });
        let needs = python::needs(model);
        for (title, lines, lock) in [
            ("system packages", &needs.system_packages, None),
            ("Python requirements", &needs.requirements, lock),
        ] {
            let count = lines.len();
            let (title, key) = match lock {
                _ if lines.is_empty() => continue,
                Some(lock) => {
                    (format!("{count} {title}, locked"), key(&[title, &lock.to_string()]))
                }
                None => {
                    let indexes = needs.extra_indexes.join("\n");
                    (format!("{count} {title}"), key(&[title, base, &lines.join("\n"), &indexes]))
                }
            };
            parts.push(Part { title, key, size: None });
        }
    }
    for (title, entries) in native::plan(inputs)? {
        let hashes: Vec<_> = entries.iter().map(|entry| hash(inputs, entry)).collect();
        let texts: Vec<_> = hashes.iter().map(String::as_str).collect();
        let size = entries.iter().map(|entry| entry.content.size()).sum();
        parts.push(Part { title, key: key(&texts), size: Some(size) });
    }
    let configuration = key(&["configuration", &recipe.key()]);
    parts.push(Part { title: "configuration".to_owned(), key: configuration, size: None });
    Ok(parts)
}

/// Returns path and hash of a file as one text; the model's own hashes were taken when it was recognised.
fn hash(inputs: &Inputs<'_>, entry: &Entry) -> String {
    let hash = match &entry.content {
        Content::Bytes(bytes) => Digest::blake3(bytes),
        Content::Folder | Content::Link { .. } | Content::File { .. } => {
            let files = &inputs.model.card.files;
            let of_model = files.iter().find(|file| native::in_bundle(&file.path) == entry.path);
            of_model.map_or(inputs.program_hash, |file| file.hash)
        }
    };
    format!("{}\0{hash}", entry.path)
}
