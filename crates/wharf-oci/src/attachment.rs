//! Documents that go with an image (OCI 1.1, artifacts with a subject): its SBOM, its provenance, its signatures.
//!
//! An attachment is a manifest of its own that names the image as its subject. Registries that know of subjects list
//! it; for the others the list is kept under a tag ([`list_tag`]), which every writer extends.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wharf_spec::digest::Digest;

use crate::descriptor::{Descriptor, Document, INDEX, MANIFEST};

/// The config of what has none (image-spec, guidance for an empty descriptor).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Its bytes.
pub(crate) const EMPTY_BYTES: &[u8] = b"{}";

/// The most attachments of one image that are looked at.
pub const MAX_REFERRERS: usize = 1000;

/// A document, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its media type, by which it is found.
    pub artifact_type: String,
    pub annotations: BTreeMap<String, String>,
    pub bytes: Bytes,
}

/// The manifest of an attachment: fields in a fixed order, so that it has one digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttachmentManifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'a str,
    config: Descriptor,
    layers: [Descriptor; 1],
    subject: &'a Descriptor,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl Attachment {
    /// Returns a document that needs no more words than its type.
    pub fn new(artifact_type: &str, bytes: impl Into<Bytes>) -> Self {
        let artifact_type = artifact_type.to_owned();
        Self { artifact_type, annotations: BTreeMap::new(), bytes: bytes.into() }
    }

    /// Returns what names its bytes.
    pub fn payload(&self) -> Descriptor {
        Descriptor::of(&self.artifact_type, &self.bytes)
    }

    /// Returns the manifest that ties it to an image.
    pub fn manifest(&self, subject: &Descriptor) -> Document {
        let manifest = AttachmentManifest {
            schema_version: 2,
            media_type: MANIFEST,
            artifact_type: &self.artifact_type,
            config: empty(),
            layers: [self.payload()],
            subject,
            annotations: &self.annotations,
        };
        let bytes = serde_json::to_vec(&manifest).expect("a manifest is plain data");
        Document { media_type: MANIFEST.to_owned(), bytes: bytes.into() }
    }

    /// Returns how it stands in a list of attachments.
    pub(crate) fn referrer(&self, subject: &Descriptor) -> Referrer {
        let Descriptor { media_type, digest, size } = self.manifest(subject).descriptor();
        let artifact_type = Some(self.artifact_type.clone());
        Referrer { media_type, digest, size, artifact_type, annotations: self.annotations.clone() }
    }
}

/// Returns the config of an attachment.
pub(crate) fn empty() -> Descriptor {
    Descriptor::of(EMPTY, EMPTY_BYTES)
}

/// An attachment as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    pub media_type: String,
    pub digest: Digest,
    /// Of its manifest, in bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Returns the tag under which attachments are listed where the registry does not do it (distribution-spec, "Referrers
/// Tag Schema").
pub fn list_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// Says whether a tag stands for what goes with an image, and for no image: a [`list_tag`], or one of cosign's, as
/// `sha256-….sig` is.
pub fn is_attached_tag(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").map(|rest| rest.split('.').next().unwrap_or_default());
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A list of attachments as it is stored. What others have written into it stays, whatever it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List(Vec<Value>);

impl List {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads an index.
    ///
    /// # Errors
    /// Says why it is none that can be used.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Index {
            media_type: Option<String>,
            manifests: Vec<Value>,
            layers: Option<Value>,
        }
        let index: Index = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if index.layers.is_some() || index.media_type.is_some_and(|found| found != INDEX) {
            return Err("it is no list of attachments".to_owned());
        }
        if index.manifests.len() > MAX_REFERRERS {
            return Err(format!("it has more than {MAX_REFERRERS} entries"));
        }
        Ok(Self(index.manifests))
    }

    /// Returns the entries that name an attachment.
    pub(crate) fn referrers(&self) -> Vec<Referrer> {
        self.0.iter().filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect()
    }

    pub(crate) fn has(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.0.iter().any(|entry| entry.get("digest").and_then(Value::as_str) == Some(&*digest))
    }

    pub(crate) fn add(&mut self, referrer: &Referrer) {
        self.0.push(serde_json::to_value(referrer).expect("a referrer is plain data"));
    }

    pub(crate) fn document(&self) -> Document {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.0});
        let bytes = serde_json::to_vec(&index).expect("an index is plain data");
        Document { media_type: INDEX.to_owned(), bytes: bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Descriptor {
        Descriptor::of(MANIFEST, b"an image")
    }

    fn note() -> Attachment {
        Attachment::new("text/plain", "a note")
    }

    #[test]
    fn tags_of_attachments_are_told_from_those_of_images() {
        let list = list_tag(subject().digest);
        assert!(is_attached_tag(&list) && is_attached_tag(&format!("{list}.sig")));
        assert!(
            !is_attached_tag("1.0") && !is_attached_tag("sha256-1") && !is_attached_tag("latest")
        );
    }

    #[test]
    fn an_attachment_names_its_image() {
        let manifest = note().manifest(&subject());
        insta::assert_snapshot!(String::from_utf8_lossy(&manifest.bytes), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"text/plain","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"text/plain","digest":"sha256:f63e34a034f19a24438f2d74b242bc96682abd843ecc4ea63fefed4006d860a3","size":6}],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9","size":8}}"#);
    }

    #[test]
    fn what_others_have_listed_stays() {
        let foreign =
            br#"{"schemaVersion":2,"manifests":[{"digest":"sha512:1","size":1,"x":{"y":2}}]}"#;
        let mut list = List::parse(foreign).unwrap();
        assert_eq!(list.referrers(), [], "an entry that cannot be read names nothing");
        let referrer = note().referrer(&subject());
        list.add(&referrer);
        let again = List::parse(&list.document().bytes).unwrap();
        assert_eq!(again, list);
        assert_eq!(again.referrers(), std::slice::from_ref(&referrer));
        assert!(again.has(referrer.digest));
        assert!(String::from_utf8_lossy(&again.document().bytes).contains(r#""x":{"y":2}"#));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let many = format!(r#"{{"manifests":[{}{{}}]}}"#, "{},".repeat(MAX_REFERRERS));
        for text in ["", "[]", "{}", r#"{"manifests":[],"layers":[]}"#, &many] {
            assert!(List::parse(text.as_bytes()).is_err(), "{text:.40} passed");
        }
        let other = format!(r#"{{"mediaType":"{MANIFEST}","manifests":[]}}"#);
        assert!(List::parse(other.as_bytes()).is_err());
    }
}
