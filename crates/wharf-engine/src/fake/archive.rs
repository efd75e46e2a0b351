//! What the archive of an image says about it, without looking at its layers.

use std::{
    collections::BTreeMap,
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
}

#[derive(Deserialize)]
struct Image {
    config: Config,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

/// Reads the facts of the first image of an archive as `docker save` writes it.
pub(super) fn facts(archive: &[u8]) -> io::Result<ImageFacts> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.size() <= MOST_CONFIG {
            let path = entry.path()?.display().to_string();
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
    let Image { config } = serde_json::from_slice(file(&first.config)?)?;
    let ports = config.exposed_ports.unwrap_or_default();
    let tcp = ports.keys().filter_map(|port| port.trim_end_matches("/tcp").parse().ok());
    let mut exposed_ports: Vec<u16> = tcp.collect();
    exposed_ports.sort_unstable();
    Ok(ImageFacts {
        size: archive.len() as u64,
        labels: config.labels.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        exposed_ports,
        ..nothing()
    })
}
