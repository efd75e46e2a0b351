//! What is signed, byte for byte: cosign's two forms.
//!
//! - classic: a payload that names the digest, signed as it is, in the layers of an image at tag `sha256-HEX.sig`;
//! - bundle: an in-toto statement in a DSSE envelope in a Sigstore bundle, attached to the image.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wharf_spec::digest::Digest;

use super::key::{PublicKey, SigningKey};
use crate::attachment::Attachment;

/// The media type of a classic payload.
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Where a classic signature stands.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A Sigstore bundle.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What all versions of it begin with.
pub(super) const BUNDLE_FAMILY: &str = "application/vnd.dev.sigstore.bundle";

/// What a signature of an image states.
pub(super) const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// An in-toto statement.
pub const STATEMENT: &str = "application/vnd.in-toto+json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Returns the tag of classic signatures.
pub(super) fn classic_tag(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// Returns the bytes that a classic signature is of; `repository` is with its host.
pub(super) fn classic_payload(repository: &str, digest: Digest) -> Vec<u8> {
    #[derive(Serialize)]
    struct Payload<'a> {
        critical: Critical<'a>,
        optional: Option<Value>,
    }
    #[derive(Serialize)]
    struct Critical<'a> {
        identity: Identity<'a>,
        image: Image,
        #[serde(rename = "type")]
        kind: &'static str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Identity<'a> {
        docker_reference: &'a str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Image {
        docker_manifest_digest: Digest,
    }
    let critical = Critical {
        identity: Identity { docker_reference: repository },
        image: Image { docker_manifest_digest: digest },
        kind: "cosign container image signature",
    };
    serde_json::to_vec(&Payload { critical, optional: None }).expect("a payload is plain data")
}

/// Says whether a classic payload is of this image.
pub(super) fn is_classic_payload_of(payload: &[u8], digest: Digest) -> bool {
    let Ok(payload) = serde_json::from_slice::<Value>(payload) else { return false };
    let critical = &payload["critical"];
    critical["type"] == "cosign container image signature"
        && critical["image"]["docker-manifest-digest"] == digest.to_string()
}

/// Returns a statement about an image (in-toto Statement v1).
pub fn statement(digest: Digest, predicate_type: &str, predicate: &Value) -> Vec<u8> {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{"digest": {"sha256": digest.hex()}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    });
    serde_json::to_vec(&statement).expect("a statement is plain data")
}

/// Returns a signed statement, to attach to its image.
pub fn bundle(key: &SigningKey, predicate_type: &str, statement: &[u8]) -> Attachment {
    let signature = key.sign(&signed_by_envelope(STATEMENT, statement));
    let bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.public().fingerprint()}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": STATEMENT,
            "signatures": [{"sig": STANDARD.encode(signature)}],
        },
    });
    let bytes = serde_json::to_vec(&bundle).expect("a bundle is plain data");
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", predicate_type),
    ];
    let annotations: BTreeMap<_, _> =
        annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Attachment { annotations, ..Attachment::new(BUNDLE, bytes) }
}

/// A bundle of others, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

impl Bundle {
    /// Reads a bundle; `None` where it is none, or signs something else than statements.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Says whether it is a statement about an image that is wanted, signed by one of the keys.
    pub(super) fn is(&self, wanted: &Wanted<'_>, digest: Digest) -> bool {
        let Envelope { payload, payload_type, signatures } = &self.dsse_envelope;
        let Ok(statement) = STANDARD.decode(payload) else { return false };
        let message = signed_by_envelope(payload_type, &statement);
        let signatures = signatures.iter().filter_map(|one| STANDARD.decode(&one.sig).ok());
        let is_signed = signatures
            .into_iter()
            .any(|signature| wanted.keys.iter().any(|key| key.has_signed(&message, &signature)));
        is_signed
            && payload_type == STATEMENT
            && wanted.statement.is_none_or(|wanted| wanted == statement)
            && is_about(&statement, wanted.predicate_type, digest)
    }
}

/// What is looked for among the signed statements about an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) predicate_type: &'a str,
    /// Signed by one of these.
    pub(super) keys: &'a [PublicKey],
    /// The very statement, where only one will do.
    pub(super) statement: Option<&'a [u8]>,
}

fn is_about(statement: &[u8], predicate_type: &str, digest: Digest) -> bool {
    let Ok(statement) = serde_json::from_slice::<Value>(statement) else { return false };
    let subjects = statement["subject"].as_array().map_or(&[][..], Vec::as_slice);
    statement["_type"] == STATEMENT_TYPE
        && statement["predicateType"] == predicate_type
        && subjects.iter().any(|subject| subject["digest"]["sha256"] == digest.hex())
}

/// Returns the bytes that are signed in an envelope (DSSE v1, "pre-authentication encoding").
fn signed_by_envelope(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len());
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::digest_of;

    #[test]
    fn the_classic_payload_is_cosigns_to_the_byte() {
        let payload = classic_payload("localhost:5000/iris", digest_of(b"an image"));
        let text = String::from_utf8(payload.clone()).unwrap();
        insta::assert_snapshot!(text, @r#"{"critical":{"identity":{"docker-reference":"localhost:5000/iris"},"image":{"docker-manifest-digest":"sha256:a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"},"type":"cosign container image signature"},"optional":null}"#);
        assert!(is_classic_payload_of(&payload, digest_of(b"an image")));
        assert!(!is_classic_payload_of(&payload, digest_of(b"another")));
    }

    #[test]
    fn an_envelope_signs_type_and_length_too() {
        let bytes = signed_by_envelope("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
