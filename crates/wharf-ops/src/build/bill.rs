//! What an image is made of, for its SBOM and provenance, from the same inputs that it is built from.

use super::{Inputs, foundation::Foundation, key};
use crate::supply::bill::{Bill, Component};

/// Returns the bill of the image that is assembled from inputs.
pub(super) fn bill(inputs: &Inputs<'_>) -> Bill {
    let (model, recipe) = (inputs.model, inputs.recipe);
    let card = &model.card;
    let lower = inputs.foundation.as_ref().map(Foundation::components);
    let mut components = lower.unwrap_or_default();
    components.push(Component::server(card.runtime.program(), inputs.program_hash));
    components.push(Component::model(model));
    let name = card.name.to_string();
    Bill { name, components, recipe: key(&["recipe", &recipe.key()]) }
}
