//! Images out of an archive as `docker save` writes it. Where no manifest of a registry lies in it, one is made.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::Arc,
};

use serde::Deserialize;
use wharf_spec::digest::Digest;

use crate::{
    blob::{FileBlob, Hashing},
    descriptor::{Descriptor, LAYER, LAYER_GZIP, LAYER_ZSTD},
    error::{OciError, Result},
    files::{Files, Place},
    image::{
        Image, ImageLayer,
        read::{ConfigFacts, wrong as wrong_config},
    },
    manifest::{self, MAX_CONFIG, MAX_MANIFEST},
    store::Layout,
};

/// An image of the archive, by paths that are looked up in the archive's own list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Reads an image: the one of that name, or the only one. Every layer is read once for its digest. Blocks: call it on
/// a thread of its own.
///
/// # Errors
/// When the archive cannot be used, or holds no such image.
pub fn read(path: &Path, name: Option<&str>) -> Result<Image> {
    let files = Files::open(path)?;
    let entries = files.read("manifest.json", MAX_MANIFEST)?;
    let entries: Vec<Entry> = manifest::json(&entries).map_err(|why| files.wrong(why))?;
    let entry = choose(&files, entries, name)?;
    let config = files.read(&entry.config, MAX_CONFIG)?;
    let ids = ConfigFacts::parse(&config)?.rootfs.diff_ids;
    if ids.len() != entry.layers.len() {
        let why = format!("it has {} layers, the archive {}", ids.len(), entry.layers.len());
        return Err(wrong_config(why));
    }
    let layers = ids.iter().zip(&entry.layers).map(|(id, layer)| {
        let diff_id = manifest::sha256(id).map_err(wrong_config)?;
        read_layer(&files, layer, diff_id)
    });
    let layers = layers.collect::<Result<_>>()?;
    let image = Image::with_config(config, layers, std::collections::BTreeMap::new());
    Ok(by_own_manifest(files, name, image))
}

/// Returns the image with the manifest that lies beside it, as wharf and newer engines write archives, so that it keeps
/// its digest. One that names other parts is none of this image.
fn by_own_manifest(files: Files, name: Option<&str>, mut image: Image) -> Image {
    let layout = Layout::of(files);
    let found = layout.find(name).and_then(|named| layout.document(&named));
    let Ok((document, manifest::Content::Manifest(own))) = found else { return image };
    let is_same =
        |one: &Descriptor, two: &Descriptor| one.digest == two.digest && one.size == two.size;
    let layers = || image.layers.iter().zip(&own.layers);
    if !is_same(&own.config, &image.config_descriptor)
        || own.layers.len() != image.layers.len()
        || !layers().all(|(layer, own)| is_same(&layer.descriptor, own))
    {
        return image;
    }
    for (layer, own) in image.layers.iter_mut().zip(own.layers) {
        layer.descriptor = own;
    }
    Image { manifest: document, config_descriptor: own.config, ..image }
}

fn choose(files: &Files, entries: Vec<Entry>, name: Option<&str>) -> Result<Entry> {
    let tags = |entry: &Entry| entry.repo_tags.clone().unwrap_or_default();
    let there: Vec<_> = entries.iter().flat_map(tags).take(20).collect();
    let is_wanted =
        |entry: &Entry| name.is_none_or(|name| tags(entry).iter().any(|tag| tag == name));
    let mut wanted: Vec<_> = entries.into_iter().filter(is_wanted).collect();
    let why = match (wanted.pop(), wanted.is_empty()) {
        (Some(entry), true) => return Ok(entry),
        (Some(_), false) => "it has several images",
        (None, _) => "it has no such image",
    };
    let there: Vec<_> = there.iter().map(|tag| format!("`{}`", tag.escape_debug())).collect();
    Err(files.wrong(format!("{why}; there are: {}", there.join(", "))))
}

fn read_layer(files: &Files, name: &str, diff_id: Digest) -> Result<ImageLayer> {
    let Place { path, offset, size } = files.find(name)?;
    let (digest, begins) = digest_of(&path, offset, size)
        .map_err(|source| OciError::Read { path: path.clone(), source })?;
    let media_type = match begins {
        [0x1f, 0x8b, ..] => LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => LAYER_ZSTD,
        _ => LAYER,
    };
    if media_type == LAYER && digest != diff_id {
        let why = format!(
            "the config names a layer {diff_id}, and `{}` is another one",
            name.escape_debug()
        );
        return Err(files.wrong(why));
    }
    let descriptor = Descriptor { media_type: media_type.to_owned(), digest, size };
    Ok(ImageLayer {
        content: Arc::new(FileBlob { path, offset, descriptor: descriptor.clone() }),
        descriptor,
        diff_id,
        mount_from: None,
        title: String::new(),
    })
}

/// Returns the digest of a part of a file, and its first bytes.
fn digest_of(path: &Path, offset: u64, size: u64) -> io::Result<(Digest, [u8; 4])> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut begins = [0; 4];
    let head = usize::try_from(size).unwrap_or(4).min(4);
    file.read_exact(&mut begins[..head])?;
    file.seek(SeekFrom::Start(offset))?;
    let mut hashing = Hashing::new();
    io::copy(&mut io::BufReader::with_capacity(1 << 20, file.take(size)), &mut hashing)?;
    Ok((hashing.finish().0, begins))
}
