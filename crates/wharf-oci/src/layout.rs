//! An image as an OCI layout (image-spec, `image-layout.md`): a folder of blobs by digest, or the same in one tar.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use bytes::Bytes;
use serde::Serialize;
use tar::Builder;
use wharf_spec::{digest::Digest, reference::Reference};

use crate::{
    archive::{append, append_blob},
    descriptor::{Descriptor, Document, INDEX},
    error::{OciError, Result},
    image::Image,
    tree::{Part, Tree},
};

/// The image under one of its names.
#[derive(Serialize)]
struct Named {
    #[serde(flatten)]
    manifest: Descriptor,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Names>,
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
struct Piece {
    path: String,
    content: Content,
}

enum Content {
    Bytes(Bytes),
    Part(Part),
}

/// Writes an image, or an index of images, into an empty folder, under these names. Blocks: call it on a thread of
/// its own.
///
/// # Errors
/// When a file cannot be read, changed since the image was made, or cannot be written.
pub fn write_folder(tree: impl Into<Tree>, references: &[Reference], folder: &Path) -> Result<()> {
    for piece in pieces(&tree.into(), references) {
        let path = folder.join(&piece.path);
        let parent = path.parent().expect("every blob lies in the folder");
        fs::create_dir_all(parent).map_err(OciError::Write)?;
        let mut file =
            BufWriter::with_capacity(1 << 20, File::create(path).map_err(OciError::Write)?);
        match piece.content {
            Content::Bytes(bytes) => file.write_all(&bytes).map_err(OciError::Write)?,
            Content::Part(part) => part.content.write(&mut file)?,
        }
        file.flush().map_err(OciError::Write)?;
    }
    Ok(())
}

/// Writes the layout as one tar. Blocks: call it on a thread of its own.
///
/// # Errors
/// When a file cannot be read, changed since the image was made, or the writer fails.
pub fn write_archive(
    tree: impl Into<Tree>,
    references: &[Reference],
    writer: impl Write,
) -> Result<()> {
    let mut builder = Builder::new(writer);
    append_layout(&mut builder, &tree.into(), references, &BTreeSet::new())?;
    let mut writer = builder.into_inner().map_err(OciError::Write)?;
    writer.flush().map_err(OciError::Write)
}

/// Writes the layout as entries of a tar, without the blobs that the reader has.
pub(crate) fn append_layout(
    builder: &mut Builder<impl Write>,
    tree: &Tree,
    references: &[Reference],
    left_out: &BTreeSet<Digest>,
) -> Result<()> {
    for Piece { path, content } in pieces(tree, references) {
        match content {
            Content::Bytes(bytes) => append(builder, &path, &bytes)?,
            Content::Part(part) if left_out.contains(&part.descriptor.digest) => {}
            Content::Part(part) => {
                append_blob(builder, &path, part.descriptor.size, &*part.content)?;
            }
        }
    }
    Ok(())
}

/// Returns the digest of the image's manifest: what registries name the image by.
pub fn manifest_digest(image: &Image) -> Digest {
    image.manifest.descriptor().digest
}

fn pieces(tree: &Tree, references: &[Reference]) -> Vec<Piece> {
    let mut pieces = vec![
        Piece {
            path: "oci-layout".to_owned(),
            content: Content::Bytes(Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#)),
        },
        Piece {
            path: "index.json".to_owned(),
            content: Content::Bytes(index(&tree.document, references).into()),
        },
    ];
    let mut seen = BTreeSet::new();
    // From the top, as readers go.
    for tree in tree.walk().into_iter().rev() {
        let digest = tree.digest();
        if seen.insert(digest) {
            let content = Content::Bytes(tree.document.bytes.clone());
            pieces.push(Piece { path: blob_path(&digest), content });
        }
        for part in tree.config.iter().chain(&tree.layers) {
            if seen.insert(part.descriptor.digest) {
                let path = blob_path(&part.descriptor.digest);
                pieces.push(Piece { path, content: Content::Part(part.clone()) });
            }
        }
    }
    pieces
}

fn index(manifest: &Document, references: &[Reference]) -> Vec<u8> {
    let descriptor = manifest.descriptor();
    let named = |reference: &Reference| Named {
        manifest: descriptor.clone(),
        annotations: Some(Names {
            whole: reference.to_string(),
            tag: reference.tag().unwrap_or("latest").to_owned(),
        }),
    };
    let mut manifests: Vec<_> = references.iter().map(named).collect();
    if manifests.is_empty() {
        manifests.push(Named { manifest: descriptor.clone(), annotations: None });
    }
    let index = Index { schema_version: 2, media_type: INDEX, manifests };
    serde_json::to_vec(&index).expect("an index is plain data")
}

pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;
    use crate::{
        descriptor::digest_of,
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
        write_archive(image(), &references(), &mut archive).unwrap();
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
        write_folder(image(), &references(), folder.path()).unwrap();
        let mut archive = Vec::new();
        write_archive(image(), &references(), &mut archive).unwrap();
        for (path, content) in files_of(&archive) {
            assert_eq!(fs::read(folder.path().join(&path)).unwrap(), content, "{path}");
        }
    }

    #[test]
    fn the_index_has_every_name() {
        let index: serde_json::Value =
            serde_json::from_slice(&index(image().manifest(), &references())).unwrap();
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
