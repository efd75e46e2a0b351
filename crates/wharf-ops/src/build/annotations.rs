//! What the manifest of an image says of it: tools that list a registry read no more than that.

use std::collections::BTreeMap;

use super::Inputs;

/// Returns the annotations (OCI image-spec) of an image that wharf assembles itself. Those of its base come with the base.
pub(super) fn of(inputs: &Inputs<'_>) -> BTreeMap<String, String> {
    let own = [
        ("io.wharf.server.hash", inputs.program_hash.to_string()),
        ("io.wharf.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("org.opencontainers.image.created", inputs.recipe.created().to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    inputs.content_labels().into_iter().chain(own).collect()
}
