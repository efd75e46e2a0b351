//! The bundle: the folder with `card.json` and the model's files, as it was built.

use std::{
    fs,
    path::{Component, Path},
    sync::Arc,
};

use wharf_spec::model::{CARD_FILE, CARD_SCHEMA, ModelCard, RuntimeKind};

use crate::{
    error::ServeError,
    runtime::{Bundle, Runtime},
};

/// Largest card; real ones have a few kilobytes.
const MAX_CARD: u64 = 16 << 20;

impl Bundle {
    /// Reads the card and checks what the server builds on.
    pub(crate) fn open(folder: &Path) -> Result<Self, ServeError> {
        let path = folder.join(CARD_FILE);
        let missing = |source| ServeError::NoBundle { folder: folder.to_owned(), source };
        let size = fs::metadata(&path).map_err(missing)?.len();
        let wrong = |why: String| ServeError::Card { path: path.clone(), source: why.into() };
        if size > MAX_CARD {
            return Err(wrong(format!("it has {size} bytes, which no card has")));
        }
        let text = fs::read(&path).map_err(missing)?;
        let card: ModelCard = serde_json::from_slice(&text)
            .map_err(|source| ServeError::Card { path: path.clone(), source: source.into() })?;
        check(&card).map_err(wrong)?;
        Ok(Self { card: Arc::new(card), folder: folder.to_owned() })
    }
}

fn check(card: &ModelCard) -> Result<(), String> {
    if card.schema != CARD_SCHEMA {
        return Err(format!(
            "it is written in `{}`, this program reads `{CARD_SCHEMA}`",
            card.schema
        ));
    }
    if card.methods.is_empty() {
        return Err("it has no methods".to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    for (index, method) in card.methods.iter().enumerate() {
        if method.name.is_empty() || !method.name.chars().all(plain) {
            return Err(format!("`{}` cannot be a route", method.name.escape_debug()));
        }
        if card.methods[..index].iter().any(|other| other.name == method.name) {
            return Err(format!("the method `{}` is there twice", method.name));
        }
    }
    let inside =
        |path: &str| Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
    if card.runtime != RuntimeKind::Python && !inside(&card.entry) {
        return Err(format!("`{}` is not a file of the bundle", card.entry.escape_debug()));
    }
    Ok(())
}

/// Returns the runtime of this program for a model.
pub(crate) fn runtime<'a>(
    runtimes: &[&'a dyn Runtime],
    card: &ModelCard,
) -> Result<&'a dyn Runtime, ServeError> {
    runtimes
        .iter()
        .copied()
        .find(|runtime| runtime.kind() == card.runtime)
        .ok_or(ServeError::NoRuntime(card.runtime))
}
