//! What each layer of an image holds and costs, and why it is another one than before.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wharf_oci::{error::OciError, manifest::MAX_CONFIG, tree::Tree};
use wharf_spec::digest::Digest;

use crate::{
    context::cancelled,
    error::{Error, Result},
};

/// An image, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub digest: Digest,
    /// As stored: what a pull fetches at most, in bytes.
    pub size: u64,
    pub layers: Vec<LayerFacts>,
    /// What is otherwise than in the image it was compared with; layers say it themselves.
    pub changes: Vec<Change>,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// What it holds, as its history has it; others wrote that.
    pub title: String,
    pub digest: Digest,
    /// As stored, in bytes.
    pub size: u64,
    /// How it is beside the image that it was compared with.
    pub state: Option<LayerState>,
}

/// A layer beside an earlier image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// The very same.
    Shared,
    /// There was one of that title, with other content.
    Changed,
    New,
}

impl LayerState {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Changed => "changed",
            Self::New => "new",
        }
    }
}

/// Something of the configuration that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `Env`, `label io.wharf.model.hash`.
    pub what: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// An image that was opened, with its name for people.
#[derive(Debug)]
pub struct Opened {
    pub name: String,
    pub tree: Tree,
}

/// Reads an image, and compares it with an earlier one.
///
/// # Errors
/// When its config is missing, or cannot be read.
pub async fn explain(
    image: Opened,
    since: Option<Opened>,
    cancel: &CancellationToken,
) -> Result<Explained> {
    let explaining = async {
        let now = Seen::read(image).await?;
        let before = match since {
            Some(since) => Some(Seen::read(since).await?),
            None => None,
        };
        Ok(compare(&now, before.as_ref()))
    };
    tokio::select! {
        explained = explaining => explained,
        () = cancel.cancelled() => Err(cancelled()),
    }
}

/// What is read of an image: no layer.
#[derive(Debug)]
struct Seen {
    digest: Digest,
    /// Title, digest and size.
    layers: Vec<(String, Digest, u64)>,
    config: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    config: BTreeMap<String, Value>,
    #[serde(default)]
    history: Vec<History>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    empty_layer: bool,
}

impl Seen {
    async fn read(Opened { name, tree }: Opened) -> Result<Self> {
        let failed = |error: OciError| Error::wrap(format!("could not read `{name}`"), error);
        let config = config(&tree).await.map_err(failed)?;
        Ok(Self::of(&tree, config))
    }

    fn of(tree: &Tree, config: Config) -> Self {
        let mut titles = config
            .history
            .into_iter()
            .filter(|entry| !entry.empty_layer)
            .map(|entry| entry.created_by);
        let layers = tree.layers.iter().map(|layer| {
            let title = titles.next().unwrap_or_default();
            (title, layer.descriptor.digest, layer.descriptor.size)
        });
        Self { digest: tree.digest(), layers: layers.collect(), config: config.config }
    }
}

async fn config(tree: &Tree) -> Result<Config, OciError> {
    let wrong = |why: &str| OciError::Foreign { what: "image".to_owned(), why: why.to_owned() };
    let part = tree.config.clone().ok_or_else(|| wrong("it has no configuration"))?;
    if part.descriptor.size > MAX_CONFIG {
        return Err(wrong("its configuration is too large"));
    }
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        part.content.write(&mut bytes).map(|()| bytes)
    });
    let bytes = reading.await.expect("reading a blob does not panic")?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))
}

fn compare(now: &Seen, before: Option<&Seen>) -> Explained {
    let state = |title: &str, digest: Digest| {
        let before = before?;
        Some(if before.layers.iter().any(|(_, other, _)| *other == digest) {
            LayerState::Shared
        } else if before.layers.iter().any(|(other, _, _)| other == title) {
            LayerState::Changed
        } else {
            LayerState::New
        })
    };
    let layers = now.layers.iter().map(|(title, digest, size)| LayerFacts {
        title: title.clone(),
        digest: *digest,
        size: *size,
        state: state(title, *digest),
    });
    Explained {
        digest: now.digest,
        size: now.layers.iter().map(|(_, _, size)| size).sum(),
        layers: layers.collect(),
        changes: before.map(|before| changes(now, before)).unwrap_or_default(),
    }
}

fn changes(now: &Seen, before: &Seen) -> Vec<Change> {
    let mut changes = Vec::new();
    for (title, digest, _) in &before.layers {
        let is_there = now.layers.iter().any(|(other, there, _)| other == title || there == digest);
        if !is_there {
            changes.push(Change {
                what: format!("layer {title}"),
                before: Some(digest.to_string()),
                after: None,
            });
        }
    }
    let (was, is) = (facts(&before.config), facts(&now.config));
    let mut names: Vec<_> = was.keys().chain(is.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (before, after) = (was.get(name).cloned(), is.get(name).cloned());
        if before != after {
            changes.push(Change { what: name.clone(), before, after });
        }
    }
    changes
}

/// Returns what a configuration says, each label for itself.
fn facts(config: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (name, value) in config {
        match (name.as_str(), value) {
            // They follow from all the others.
            ("Labels", Value::Object(labels)) => {
                let told = labels.iter().filter(|(label, _)| !label.starts_with("io.wharf.build."));
                facts.extend(told.map(|(label, value)| (format!("label {label}"), text(value))));
            }
            (_, Value::Null) => {}
            _ => {
                facts.insert(name.clone(), text(value));
            }
        }
    }
    facts
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(layers: &[(&str, &str)], config: &str) -> Seen {
        let digest = |text: &str| wharf_oci::descriptor::digest_of(text.as_bytes());
        let layers = layers.iter().map(|(title, content)| (title.to_string(), digest(content), 10));
        let layers: Vec<_> = layers.collect();
        let config = serde_json::from_str(config).unwrap();
        Seen { digest: digest("image"), layers, config }
    }

    fn states(explained: &Explained) -> Vec<(&str, Option<&'static str>)> {
        let state = |layer: &LayerFacts| layer.state.map(LayerState::word);
        explained.layers.iter().map(|layer| (layer.title.as_str(), state(layer))).collect()
    }

    #[test]
    fn each_layer_says_whether_it_is_another_one() {
        let before = seen(&[("weights", "w"), ("server", "s1"), ("old", "o")], "{}");
        let now = seen(&[("weights", "w"), ("server", "s2"), ("model", "m")], "{}");
        let explained = compare(&now, Some(&before));
        let expect = [("weights", "shared"), ("server", "changed"), ("model", "new")];
        assert_eq!(states(&explained), expect.map(|(title, state)| (title, Some(state))));
        assert_eq!(explained.size, 30);
        assert_eq!(explained.changes[0].what, "layer old");
        assert_eq!(states(&compare(&now, None))[0], ("weights", None));
    }

    #[test]
    fn changes_of_the_configuration_are_named() {
        let before = seen(
            &[],
            r#"{"Env":["A=1"],"Cmd":null,"Labels":{"io.wharf.model.hash":"b3:1","io.wharf.build.key":"x"}}"#,
        );
        let now = seen(
            &[],
            r#"{"Env":["A=2"],"Labels":{"io.wharf.model.hash":"b3:2","io.wharf.build.key":"y"}}"#,
        );
        let changes = compare(&now, Some(&before)).changes;
        let told: Vec<_> = changes.iter().map(|change| change.what.as_str()).collect();
        assert_eq!(told, ["Env", "label io.wharf.model.hash"]);
        assert_eq!(changes[0].after.as_deref(), Some(r#"["A=2"]"#));
        assert_eq!(compare(&now, Some(&now)).changes, []);
    }
}
