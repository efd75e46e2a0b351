//! What an image is made of, for its SBOM and provenance, from the same inputs that it is built from.

use wharf_model::recognise::Model;

use super::{Inputs, key, python, recipe::Recipe};
use crate::{
    context::Helpers,
    error::Result,
    supply::bill::{Bill, Component},
};

/// Returns the bill of the image that a model gets by a recipe.
///
/// # Errors
/// When the server program is not there or cannot be read.
pub async fn bill(helpers: &Helpers, model: &Model, recipe: &Recipe) -> Result<Bill> {
    let inputs = Inputs::gather(helpers, model, recipe).await?;
    let card = &model.card;
    let mut components = Vec::new();
    if !card.runtime.is_native() {
        let needs = python::needs(model);
        components.push(Component::base(&python::base_name(&inputs, None), None));
        components.extend(needs.requirements.iter().map(|line| Component::requirement(line)));
    }
    components.push(Component::server(card.runtime.program(), inputs.program_hash));
    components.push(Component::model(model));
    let name = card.name.to_string();
    Ok(Bill { name, components, recipe: key(&["recipe", &recipe.key()]) })
}
