//! Where a request goes, in words of ours: what is logged and counted is never text that somebody sent.

use super::v2;
use crate::{app::App, page};

/// Paths that are the same for every model. All of the Open Inference Protocol but the predictions are one of them.
const FIXED: [&str; 9] = [
    "/",
    "/docs",
    "/interface.json",
    "/openapi.json",
    "/metrics",
    page::SCRIPT_PATH,
    page::STYLE_PATH,
    v2::ROOT,
    v2::INFER,
];

/// Asked every few seconds by somebody, and never logged.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// By its place in the card.
    Method(usize),
    /// By its place in [`FIXED`].
    Fixed(usize),
    Health,
    Other,
}

impl Route {
    pub(super) fn of(app: &App, path: &str) -> Self {
        let fixed = |path| FIXED.iter().position(|fixed| *fixed == path);
        if let Some(index) = app.paths.iter().position(|method| method == path) {
            Self::Method(index)
        } else if HEALTH.contains(&path) {
            Self::Health
        } else if path == v2::ROOT || path.starts_with("/v2/") {
            match v2::Asked::of(path, app.card.name.as_str()).label() {
                Some(label) => fixed(label).map_or(Self::Other, Self::Fixed),
                None => Self::Health,
            }
        } else {
            fixed(path).map_or(Self::Other, Self::Fixed)
        }
    }

    /// Returns its place among all routes of a model with so many methods.
    pub(super) fn place(self, methods: usize) -> usize {
        match self {
            Self::Method(index) => index,
            Self::Fixed(index) => methods + index,
            Self::Health => methods + FIXED.len(),
            Self::Other => methods + FIXED.len() + 1,
        }
    }
}

/// Returns how many routes a model with so many methods has.
pub(crate) fn count(methods: usize) -> usize {
    Route::Other.place(methods) + 1
}

/// Returns the label of the route at a place.
pub(crate) fn label(methods: &[String], place: usize) -> &str {
    if let Some(path) = methods.get(place) {
        return path;
    }
    match FIXED.get(place - methods.len()) {
        Some(path) => path,
        None if place == Route::Health.place(methods.len()) => "health",
        None => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_place_and_a_label_of_its_own() {
        let methods = ["/predict".to_owned(), "/embed".to_owned()];
        let mut labels: Vec<&str> =
            (0..count(methods.len())).map(|place| label(&methods, place)).collect();
        assert_eq!((labels[0], labels[1], labels[2]), ("/predict", "/embed", "/"));
        assert_eq!(labels[labels.len() - 2..], ["health", "other"]);
        let all = labels.len();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), all);
    }
}
