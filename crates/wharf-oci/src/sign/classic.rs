//! The older form of cosign's signatures: an image at a tag, whose layers are what was signed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use wharf_spec::digest::Digest;

use super::{
    MAX_SIGNATURES, Outcome, Result,
    document::{SIGNATURE, SIMPLE_SIGNING, classic_payload, classic_tag, is_classic_payload_of},
    is_garbage,
    key::{PublicKey, SigningKey},
};
use crate::{
    descriptor::{CONFIG, Descriptor, Document, MANIFEST},
    registry::{ManifestName, Registry, error::RegistryError},
};

/// Says what the signatures at the tag are worth.
pub(super) async fn check(
    registry: &Registry,
    repository: &str,
    digest: Digest,
    keys: &[PublicKey],
) -> Result<Outcome> {
    let Some(manifest) = stored(registry, repository, digest).await? else {
        return Ok(Outcome::None);
    };
    let mut outcome = Outcome::None;
    let layers = registry.layers_of(&manifest)?;
    let layers = layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING);
    let candidates: Vec<_> = layers.take(MAX_SIGNATURES).collect();
    for layer in candidates {
        outcome = Outcome::Others;
        let signature = layer.annotations.get(SIGNATURE);
        let Some(Ok(signature)) = signature.map(|text| STANDARD.decode(text)) else { continue };
        let payload = match registry.small_blob(repository, layer).await {
            Err(error) if is_garbage(&error) => continue,
            payload => payload?,
        };
        let is_signed = keys.iter().any(|key| key.has_signed(&payload, &signature));
        if is_signed && is_classic_payload_of(&payload, digest) {
            return Ok(Outcome::Holds);
        }
    }
    Ok(outcome)
}

/// Adds a signature to those at the tag.
pub(super) async fn add(
    registry: &Registry,
    repository: &str,
    digest: Digest,
    key: &SigningKey,
) -> Result<()> {
    let name = format!("{}/{repository}", registry.host());
    let payload = classic_payload(&name, digest);
    let signature = STANDARD.encode(key.sign(&payload));
    let layer = Descriptor::of(SIMPLE_SIGNING, &payload);
    registry.send_bytes(repository, &layer, Bytes::from(payload)).await?;

    let mut layers = match stored(registry, repository, digest).await? {
        Some(manifest) => layers(&manifest),
        None => Vec::new(),
    };
    layers.push(json!({
        "mediaType": layer.media_type,
        "size": layer.size,
        "digest": layer.digest,
        "annotations": {SIGNATURE: signature},
    }));
    let config = config(&layers);
    let descriptor = Descriptor::of(CONFIG, &config);
    registry.send_bytes(repository, &descriptor, Bytes::from(config)).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor,
        "layers": layers,
    });
    let bytes = serde_json::to_vec(&manifest).expect("a manifest is plain data").into();
    let document = Document { media_type: MANIFEST.to_owned(), bytes };
    let tag = classic_tag(digest);
    registry.put_manifest(repository, &ManifestName::Tag(&tag), &document).await?;
    Ok(())
}

/// Returns the manifest at the tag, if there is one.
async fn stored(registry: &Registry, repository: &str, digest: Digest) -> Result<Option<Bytes>> {
    let tag = classic_tag(digest);
    match registry.manifest(repository, &ManifestName::Tag(&tag)).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the layers as they stand there, with whatever others have written to them.
fn layers(manifest: &[u8]) -> Vec<Value> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
    manifest["layers"].as_array().cloned().unwrap_or_default()
}

/// Returns the config that tools which take the signatures for an image want to see.
fn config(layers: &[Value]) -> Vec<u8> {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let diff_ids: Vec<_> = layers.iter().map(|layer| &layer["digest"]).collect();
    let history = vec![json!({"created": NEVER}); layers.len()];
    let config = json!({
        "architecture": "",
        "created": NEVER,
        "history": history,
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {},
    });
    serde_json::to_vec(&config).expect("a config is plain data")
}
