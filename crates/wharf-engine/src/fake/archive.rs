//! What the archive of an image says about it, and which of its layers come with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _},
};

use serde::Deserialize;

use super::images::nothing;
use crate::ImageFacts;

/// Configurations are small; what is larger is a layer.
const MOST_CONFIG: u64 = 1 << 20;

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
    /// The lowest first.
    pub(super) layers: Vec<ArchiveLayer>,
}

pub(super) struct ArchiveLayer {
    pub(super) diff_id: String,
    /// Its path in the archive.
    pub(super) name: String,
    /// Whether the archive holds it, or only names it.
    pub(super) comes: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

/// Reads the first image of an archive as `docker save` writes it.
pub(super) fn read(archive: &[u8]) -> io::Result<Read> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        there.insert(path.clone());
        if entry.size() <= MOST_CONFIG {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.insert(path, content);
        }
    }
    let file = |path: &str| {
        let missing = || io::Error::other(format!("the archive holds no `{path}`"));
        files.get(path).ok_or_else(missing)
    };
    let manifests: Vec<Manifest> = serde_json::from_slice(file("manifest.json")?)?;
    let first = manifests.first().ok_or_else(|| io::Error::other("the archive holds no image"))?;
    let Image { config, rootfs } = serde_json::from_slice(file(&first.config)?)?;
    let ports = config.exposed_ports.unwrap_or_default();
    let tcp = ports.keys().filter_map(|port| port.trim_end_matches("/tcp").parse().ok());
    let mut exposed_ports: Vec<u16> = tcp.collect();
    exposed_ports.sort_unstable();
    let layers = rootfs.diff_ids.into_iter().zip(&first.layers).map(|(diff_id, name)| {
        ArchiveLayer { diff_id, name: name.clone(), comes: there.contains(name) }
    });
    let facts = ImageFacts {
        size: archive.len() as u64,
        labels: config.labels.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        exposed_ports,
        ..nothing()
    };
    Ok(Read { facts, layers: layers.collect() })
}
