//! The archive of an image: what it says about it and which of its layers come with it; and an archive to save.

use std::{collections::BTreeMap, io};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::images::nothing;
use crate::ImageFacts;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Image {
    config: Config,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// What an archive holds.
pub(super) struct Read {
    pub(super) facts: ImageFacts,
    pub(super) config: Bytes,
    /// The lowest first.
    pub(super) layers: Vec<ArchiveLayer>,
}

pub(super) struct ArchiveLayer {
    pub(super) diff_id: String,
    /// Its path in the archive.
    pub(super) name: String,
    /// `None` where the archive only names it.
    pub(super) content: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

/// Reads the first image of an archive as `docker save` writes it.
pub(super) fn read(archive: &Bytes) -> io::Result<Read> {
    let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
    for entry in tar::Archive::new(archive.as_ref()).entries()? {
        let entry = entry?;
        let place = |number: u64| usize::try_from(number).map_err(io::Error::other);
        let (start, size) = (place(entry.raw_file_position())?, place(entry.size())?);
        let end = start.saturating_add(size);
        if end > archive.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        files.insert(entry.path()?.display().to_string(), archive.slice(start..end));
    }
    let file = |path: &str| {
        let missing = || io::Error::other(format!("the archive holds no `{path}`"));
        files.get(path).cloned().ok_or_else(missing)
    };
    let manifests: Vec<Manifest> = serde_json::from_slice(&file("manifest.json")?)?;
    let first = manifests.first().ok_or_else(|| io::Error::other("the archive holds no image"))?;
    let whole = file(&first.config)?;
    let Image { config, rootfs } = serde_json::from_slice(&whole)?;
    let ports = config.exposed_ports.unwrap_or_default();
    let tcp = ports.keys().filter_map(|port| port.trim_end_matches("/tcp").parse().ok());
    let mut exposed_ports: Vec<u16> = tcp.collect();
    exposed_ports.sort_unstable();
    let layers = rootfs.diff_ids.into_iter().zip(&first.layers).map(|(diff_id, name)| {
        ArchiveLayer { diff_id, name: name.clone(), content: files.get(name).cloned() }
    });
    let facts = ImageFacts {
        size: archive.len() as u64,
        labels: config.labels.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        exposed_ports,
        ..nothing()
    };
    Ok(Read { facts, layers: layers.collect(), config: whole })
}

/// Writes an image as `docker save` does: what names its layers comes last.
pub(crate) fn write(name: &str, config: &[u8], layers: &[Bytes]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content)
    };
    let paths: Vec<_> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    for (path, content) in paths.iter().zip(layers) {
        append(path, content)?;
    }
    append("config.json", config)?;
    let list = json!([{"Config": "config.json", "RepoTags": [name], "Layers": paths}]);
    append("manifest.json", list.to_string().as_bytes())?;
    archive.into_inner()
}
