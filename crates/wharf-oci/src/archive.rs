//! An image as `docker save` writes it and `docker load` takes it (Docker image specification v1.2, combined archive).

use std::io::Write;

use serde::Serialize;
use tar::{Builder, EntryType, Header};
use wharf_spec::reference::Reference;

use crate::{
    blob::Blob,
    error::{OciError, Result},
    image::Image,
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
    let mut builder = Builder::new(writer);
    let config_name = format!("{}.json", image.config_digest().hex());
    append(&mut builder, &config_name, &image.config)?;
    let mut names = Vec::with_capacity(image.layers.len());
    for layer in &image.layers {
        let name = format!("{}/layer.tar", layer.descriptor.digest.hex());
        // A layer that is there twice is written once.
        if !names.contains(&name) {
            append_blob(&mut builder, &name, layer.descriptor.size, &*layer.content)?;
        }
        names.push(name);
    }
    let manifest = [ManifestEntry {
        config: config_name,
        repo_tags: references.iter().map(Reference::to_string).collect(),
        layers: names,
    }];
    let manifest = serde_json::to_vec(&manifest).expect("a manifest is plain data");
    append(&mut builder, "manifest.json", &manifest)?;
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)
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
    use std::io::Read as _;

    use super::*;
    use crate::{
        image::{NamedLayer, RunConfig},
        layer::{Content, Entry, Layer, Mode},
    };

    fn image() -> Image {
        let entry = Entry {
            path: "model/iris.json".to_owned(),
            mode: Mode::Plain,
            content: Content::Bytes(b"{}".to_vec()),
        };
        let layer = NamedLayer { title: "model".to_owned(), layer: Layer::new(vec![entry]) };
        Image::new(vec![layer], &RunConfig::default(), "amd64").unwrap()
    }

    #[test]
    fn the_same_inputs_give_the_same_digest_everywhere() {
        insta::assert_snapshot!(
            image().config_digest(),
            @"sha256:6066a3d397e69181fffcbeb9d93b517d9b04f347cb5f618f2d9236172465c5ac"
        );
    }

    #[test]
    fn an_archive_holds_config_layers_and_manifest() {
        let mut bytes = Vec::new();
        write(&image(), &["wharf/iris:1".parse().unwrap()], &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut files = std::collections::BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "wharf/iris:1");
        let layer = manifest[0]["Layers"][0].as_str().unwrap();
        let mut inner = tar::Archive::new(files[layer].as_slice());
        let path = inner.entries().unwrap().next().unwrap().unwrap().path().unwrap().into_owned();
        assert_eq!(path.to_str(), Some("model/iris.json"));
    }
}
