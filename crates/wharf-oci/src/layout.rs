//! An image as an OCI layout (image-spec, `image-layout.md`): a folder of blobs by digest, or the same in one tar.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde::Serialize;
use tar::Builder;
use wharf_spec::{digest::Digest, reference::Reference};

use crate::{
    archive::{append, header, pad},
    descriptor::{Descriptor, MANIFEST, Manifest, digest_of},
    error::{OciError, Result},
    image::{Image, WrittenLayer},
};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// The image under one of its names.
#[derive(Serialize)]
struct Named {
    #[serde(flatten)]
    manifest: Descriptor,
    annotations: Names,
}

/// What tools call the image: containerd by its whole name, others by its tag.
#[derive(Serialize)]
struct Names {
    #[serde(rename = "io.containerd.image.name")]
    whole: String,
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Named>,
}

/// One file of a layout.
struct Blob<'a> {
    path: String,
    content: Content<'a>,
}

enum Content<'a> {
    Bytes(Vec<u8>),
    Layer(&'a WrittenLayer),
}

/// Writes the image into an empty folder, under these names. Blocks: call it on a thread of its own.
///
/// # Errors
/// When a file cannot be read, changed since the image was made, or cannot be written.
pub fn write_folder(image: &Image, references: &[Reference], folder: &Path) -> Result<()> {
    for blob in blobs(image, references) {
        let path = folder.join(&blob.path);
        let parent = path.parent().expect("every blob lies in the folder");
        fs::create_dir_all(parent).map_err(OciError::Write)?;
        let mut file =
            BufWriter::with_capacity(1 << 20, File::create(path).map_err(OciError::Write)?);
        match blob.content {
            Content::Bytes(bytes) => file.write_all(&bytes).map_err(OciError::Write)?,
            Content::Layer(layer) => layer.layer.write(&mut file)?,
        }
        file.flush().map_err(OciError::Write)?;
    }
    Ok(())
}

/// Writes the layout as one tar. Blocks: call it on a thread of its own.
///
/// # Errors
/// When a file cannot be read, changed since the image was made, or the writer fails.
pub fn write_archive(image: &Image, references: &[Reference], writer: impl Write) -> Result<()> {
    let mut builder = Builder::new(writer);
    for blob in blobs(image, references) {
        match blob.content {
            Content::Bytes(bytes) => append(&mut builder, &blob.path, &bytes)?,
            Content::Layer(layer) => {
                let header = header(&blob.path, layer.size)?;
                let writer = builder.get_mut();
                writer.write_all(header.as_bytes()).map_err(OciError::Write)?;
                layer.layer.write(&mut *writer)?;
                pad(writer, layer.size)?;
            }
        }
    }
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)
}

/// Returns the digest of the image's manifest: what registries name the image by.
pub fn manifest_digest(image: &Image) -> Digest {
    digest_of(&Manifest::of(image).bytes())
}

fn blobs<'a>(image: &'a Image, references: &[Reference]) -> Vec<Blob<'a>> {
    let manifest = Manifest::of(image).bytes();
    let bytes =
        |path: &str, bytes: Vec<u8>| Blob { path: path.to_owned(), content: Content::Bytes(bytes) };
    let mut blobs = vec![
        bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        bytes("index.json", index(&manifest, references)),
    ];
    let config_path = blob_path(&image.config_digest());
    blobs.push(Blob { path: blob_path(&digest_of(&manifest)), content: Content::Bytes(manifest) });
    blobs.push(Blob { path: config_path, content: Content::Bytes(image.config.clone()) });
    for layer in &image.layers {
        let path = blob_path(&layer.diff_id);
        if blobs.iter().all(|blob| blob.path != path) {
            blobs.push(Blob { path, content: Content::Layer(layer) });
        }
    }
    blobs
}

fn index(manifest: &[u8], references: &[Reference]) -> Vec<u8> {
    let descriptor = Descriptor {
        media_type: MANIFEST,
        digest: digest_of(manifest),
        size: manifest.len() as u64,
    };
    let named = |reference: &Reference| Named {
        manifest: descriptor.clone(),
        annotations: Names {
            whole: reference.to_string(),
            tag: reference.tag().unwrap_or("latest").to_owned(),
        },
    };
    let index = Index {
        schema_version: 2,
        media_type: INDEX_TYPE,
        manifests: references.iter().map(named).collect(),
    };
    serde_json::to_vec(&index).expect("an index is plain data")
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;
    use crate::{
        image::{NamedLayer, RunConfig},
        layer::{self, Entry, Layer, Mode},
    };

    fn image() -> Image {
        let entry = Entry {
            path: "model/iris.json".to_owned(),
            mode: Mode::Plain,
            content: layer::Content::Bytes(b"{}".to_vec()),
        };
        let layer = NamedLayer { title: "model".to_owned(), layer: Layer::new(vec![entry]) };
        Image::new(vec![layer], &RunConfig::default(), "amd64").unwrap()
    }

    fn references() -> Vec<Reference> {
        ["wharf/iris:1", "localhost:5000/iris:2"].map(|text| text.parse().unwrap()).to_vec()
    }

    /// Reads a tar as path → content.
    fn files_of(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (path, content)
        });
        entries.collect()
    }

    #[test]
    fn every_blob_is_named_by_what_it_holds() {
        let mut archive = Vec::new();
        write_archive(&image(), &references(), &mut archive).unwrap();
        let blobs = files_of(&archive);
        let named: Vec<_> = blobs
            .iter()
            .filter_map(|(path, bytes)| {
                path.strip_prefix("blobs/sha256/")
                    .map(|hex| (hex.to_owned(), digest_of(bytes).hex()))
            })
            .collect();
        assert_eq!(named.len(), 3, "manifest, config and a layer");
        assert!(named.iter().all(|(name, digest)| name == digest), "{named:?}");
    }

    #[test]
    fn folder_and_archive_hold_the_same() {
        let folder = tempfile::tempdir().unwrap();
        write_folder(&image(), &references(), folder.path()).unwrap();
        let mut archive = Vec::new();
        write_archive(&image(), &references(), &mut archive).unwrap();
        for (path, content) in files_of(&archive) {
            assert_eq!(fs::read(folder.path().join(&path)).unwrap(), content, "{path}");
        }
    }

    #[test]
    fn the_index_has_every_name() {
        let index: serde_json::Value =
            serde_json::from_slice(&index(&Manifest::of(&image()).bytes(), &references())).unwrap();
        let names: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["annotations"]["io.containerd.image.name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["wharf/iris:1", "localhost:5000/iris:2"]);
    }

    #[test]
    fn the_same_image_has_the_same_digest_everywhere() {
        insta::assert_snapshot!(manifest_digest(&image()), @"sha256:1a0a2b4dc6ece86d3f8cbf47a46a90963dd1fddbc29fa7ecea72bfc2b7299010");
    }
}
