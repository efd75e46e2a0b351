//! An image as engines load it: an OCI layout and `docker save`'s list (Docker image specification v1.2) in one tar.
//!
//! Docker's classic store reads the list, Podman and containerd's store the layout, so every engine finds what it
//! knows. A layer that the engine has is named and left out.

use std::{collections::BTreeSet, io::Write};

use serde::Serialize;
use tar::{Builder, EntryType, Header};
use wharf_spec::{digest::Digest, reference::Reference};

use crate::{
    blob::Blob,
    error::{OciError, Result},
    image::Image,
    layout::{append_layout, blob_path},
    tree::Tree,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes the image under these names. Layers pass through in pieces. Blocks: call it on a thread of its own.
///
/// # Errors
/// When a file cannot be read, changed since the image was made, or the writer fails.
pub fn write(image: &Image, references: &[Reference], writer: impl Write) -> Result<()> {
    write_above(image, 0, references, writer)
}

/// Writes the image for a reader that has its lowest layers, so many of them: they are named and left out.
///
/// # Errors
/// As [`write()`].
pub fn write_above(
    image: &Image,
    held: usize,
    references: &[Reference],
    writer: impl Write,
) -> Result<()> {
    let mut builder = Builder::new(writer);
    append_layout(&mut builder, &Tree::from(image), references, &left_out(image, held))?;
    let layers = image.layers.iter().map(|layer| blob_path(&layer.descriptor.digest));
    let manifest = [ManifestEntry {
        config: blob_path(&image.config_digest()),
        repo_tags: references.iter().map(Reference::to_string).collect(),
        layers: layers.collect(),
    }];
    let manifest = serde_json::to_vec(&manifest).expect("a manifest is plain data");
    append(&mut builder, "manifest.json", &manifest)?;
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)
}

/// Returns the bytes of the layers that [`write_above`] writes.
pub fn size_above(image: &Image, held: usize) -> u64 {
    let mut seen = left_out(image, held);
    let written = image.layers.iter().filter(|layer| seen.insert(layer.descriptor.digest));
    written.map(|layer| layer.descriptor.size).sum()
}

/// Returns what is left out. A layer that is there again above is written: engines know it by what lies under it.
fn left_out(image: &Image, held: usize) -> BTreeSet<Digest> {
    let (held, others) = image.layers.split_at(held.min(image.layers.len()));
    let is_above = |digest| others.iter().any(|layer| layer.descriptor.digest == digest);
    held.iter().map(|layer| layer.descriptor.digest).filter(|digest| !is_above(*digest)).collect()
}

/// Writes a blob as an entry, in pieces.
pub(crate) fn append_blob(
    builder: &mut Builder<impl Write>,
    name: &str,
    size: u64,
    content: &dyn Blob,
) -> Result<()> {
    let header = header(name, size)?;
    let writer = builder.get_mut();
    writer.write_all(header.as_bytes()).map_err(OciError::Write)?;
    content.write(writer)?;
    pad(writer, size)
}

pub(crate) fn append(builder: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<()> {
    let header = header(name, bytes.len() as u64)?;
    builder.append(&header, bytes).map_err(OciError::Write)
}

fn header(name: &str, size: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(name).map_err(OciError::Write)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

/// Fills up to tar's blocks of 512 bytes.
pub(crate) fn pad(writer: &mut impl Write, size: u64) -> Result<()> {
    let rest = usize::try_from(size % 512).expect("below 512");
    if rest > 0 {
        writer.write_all(&[0; 512][rest..]).map_err(OciError::Write)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;
    use crate::{
        image::{NamedLayer, RunConfig},
        layer::{Content, Entry, Layer, Mode},
    };

    /// An image of one layer for each text.
    fn image(contents: &[&str]) -> Image {
        let layer = |text: &&str| {
            let content = Content::Bytes(text.as_bytes().to_vec());
            let entry = Entry { path: "model/iris.json".to_owned(), mode: Mode::Plain, content };
            NamedLayer { title: "model".to_owned(), layer: Layer::new(vec![entry]) }
        };
        let layers = contents.iter().map(layer).collect();
        Image::new(layers, &RunConfig::default(), "amd64").unwrap()
    }

    /// Reads what is written for a reader that has so many layers: path → content.
    fn files(image: &Image, held: usize) -> BTreeMap<String, Vec<u8>> {
        let mut bytes = Vec::new();
        write_above(image, held, &["wharf/iris:1".parse().unwrap()], &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (name, content)
        });
        entries.collect()
    }

    fn manifest(files: &BTreeMap<String, Vec<u8>>) -> serde_json::Value {
        serde_json::from_slice(&files["manifest.json"]).unwrap()
    }

    /// Says which layers come, from the lowest, and that the sizes are told as they are.
    fn check(contents: &[&str], held: usize, comes: &[bool]) {
        let image = image(contents);
        let files = files(&image, held);
        let named = manifest(&files)[0]["Layers"].clone();
        let named: Vec<_> =
            named.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let found: Vec<_> = named.iter().map(|name| files.contains_key(*name)).collect();
        assert_eq!(found, comes, "{contents:?} above {held}");
        let written: BTreeSet<_> =
            named.into_iter().filter(|name| files.contains_key(*name)).collect();
        let size: usize = written.into_iter().map(|name| files[name].len()).sum();
        assert_eq!(size_above(&image, held), size as u64, "{contents:?} above {held}");
    }

    #[test]
    fn the_same_inputs_give_the_same_digest_everywhere() {
        insta::assert_snapshot!(
            image(&["{}"]).config_digest(),
            @"sha256:6066a3d397e69181fffcbeb9d93b517d9b04f347cb5f618f2d9236172465c5ac"
        );
    }

    #[test]
    fn an_archive_holds_config_layers_and_both_lists() {
        let files = files(&image(&["{}"]), 0);
        let manifest = manifest(&files);
        assert_eq!(manifest[0]["RepoTags"][0], "wharf/iris:1");
        assert!(files.contains_key(manifest[0]["Config"].as_str().unwrap()));
        assert!(files.contains_key("index.json") && files.contains_key("oci-layout"));
        let layer = manifest[0]["Layers"][0].as_str().unwrap();
        let mut inner = tar::Archive::new(files[layer].as_slice());
        let path = inner.entries().unwrap().next().unwrap().unwrap().path().unwrap().into_owned();
        assert_eq!(path.to_str(), Some("model/iris.json"));
    }

    #[test]
    fn layers_that_the_reader_has_are_named_and_left_out() {
        check(&["a", "b", "c"], 0, &[true, true, true]);
        check(&["a", "b", "c"], 2, &[false, false, true]);
        check(&["a", "b", "c"], 3, &[false, false, false]);
        check(&["a"], 7, &[false]);
    }

    #[test]
    fn a_layer_that_is_there_again_above_comes() {
        check(&["a", "b", "a"], 2, &[true, false, true]);
        check(&["a", "a", "b"], 2, &[false, false, true]);
    }
}
