//! Manifests and indexes as others send them, OCI's and Docker's (schema 2): hostile until parsed here.

mod platform;

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_spec::digest::{Algorithm, Digest};

pub use self::platform::{ParsePlatformError, Platform};
use crate::{
    descriptor::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Document, INDEX, MANIFEST},
    error::{OciError, Result},
};

/// The largest manifest that is read, in bytes (distribution's own limit).
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The largest config that is read, in bytes.
pub const MAX_CONFIG: u64 = 8 << 20;

/// How deep documents of others may nest.
const MAX_DEPTH: usize = 64;

/// How many layers a manifest, and how many manifests an index may have.
const MAX_DESCRIPTORS: usize = 1000;

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Manifest(ImageManifest),
    Index(Index),
}

/// The parts of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// The images of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub manifests: Vec<Entry>,
}

/// A manifest in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub descriptor: Descriptor,
    pub platform: Option<Platform>,
    pub annotations: BTreeMap<String, String>,
}

/// The fields that are looked at; all others pass.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    /// Schema 1.
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

/// The fields of [`RawDocument`]: readers that ignore case would take another spelling for them.
const FIELDS: [&str; 6] =
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers"];

/// Parses a document. `declared` is what it was said to be: by the header `Content-Type`, or by what names it.
///
/// # Errors
/// When it is neither a manifest nor an index, could be taken for both, or goes beyond a limit.
pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<(Document, Content)> {
    let raw = raw(bytes).map_err(wrong)?;
    let declared = declared.map(|text| text.split(';').next().unwrap_or(text).trim());
    let media_type = media_type(&raw, declared).map_err(wrong)?;
    let content = content(raw, &media_type).map_err(wrong)?;
    Ok((Document { media_type, bytes: bytes.to_vec().into() }, content))
}

fn wrong(why: String) -> OciError {
    OciError::Foreign { what: "manifest".to_owned(), why }
}

fn raw(bytes: &[u8]) -> Result<RawDocument, String> {
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(format!("it is larger than {MAX_MANIFEST} bytes"));
    }
    let fields: BTreeMap<String, serde::de::IgnoredAny> = json(bytes)?;
    let is_odd = |name: &String| {
        FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name) && field != name)
    };
    if let Some(name) = fields.keys().find(|name| is_odd(name)) {
        return Err(format!("its field `{}` is one of another spelling", name.escape_debug()));
    }
    let raw: RawDocument = json(bytes)?;
    match raw.schema_version {
        _ if raw.fs_layers.is_some() => {
            Err("it is of Docker's old schema 1, which nobody writes any more".to_owned())
        }
        Some(2) => Ok(raw),
        Some(other) => Err(format!("its `schemaVersion` is {other}, not 2")),
        None => Err("it has no `schemaVersion`".to_owned()),
    }
}

/// Reads JSON of others: no deeper than its readers can bear.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    if depth(bytes) > MAX_DEPTH {
        return Err(format!("it nests deeper than {MAX_DEPTH}"));
    }
    serde_json::from_slice(bytes).map_err(|error| format!("it is not what it should be: {error}"))
}

/// Returns how deep brackets nest outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn media_type(raw: &RawDocument, declared: Option<&str>) -> Result<String, String> {
    let shown = |text: &str| text.escape_debug().to_string();
    match (&raw.media_type, declared) {
        (Some(own), Some(declared)) if own != declared => {
            Err(format!("it calls itself `{}` and was sent as `{}`", shown(own), shown(declared)))
        }
        (Some(own), _) => Ok(own.clone()),
        (None, Some(declared)) => Ok(declared.to_owned()),
        (None, None) if raw.manifests.is_some() => Ok(INDEX.to_owned()),
        (None, None) => Ok(MANIFEST.to_owned()),
    }
}

fn content(raw: RawDocument, media_type: &str) -> Result<Content, String> {
    // One reader's image would be another one's index (CVE-2021-41190).
    if raw.manifests.is_some() && (raw.layers.is_some() || raw.config.is_some()) {
        return Err("it has both `layers` and `manifests`".to_owned());
    }
    match media_type {
        MANIFEST | DOCKER_MANIFEST => {
            let config = raw.config.ok_or("it has no `config`")?;
            let layers = raw.layers.ok_or("it has no `layers`")?;
            Ok(Content::Manifest(ImageManifest {
                config: descriptor(&config)?,
                layers: bounded(&layers)?.iter().map(descriptor).collect::<Result<_, _>>()?,
            }))
        }
        INDEX | DOCKER_LIST => {
            let manifests = raw.manifests.ok_or("it has no `manifests`")?;
            let manifests = bounded(&manifests)?.iter().map(entry).collect::<Result<_, _>>()?;
            Ok(Content::Index(Index { manifests }))
        }
        other => Err(format!("`{}` is no kind of manifest", other.escape_debug())),
    }
}

fn bounded(descriptors: &[RawDescriptor]) -> Result<&[RawDescriptor], String> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(format!("it names {} parts, more than {MAX_DESCRIPTORS}", descriptors.len()));
    }
    Ok(descriptors)
}

fn entry(raw: &RawDescriptor) -> Result<Entry, String> {
    let platform = raw.platform.as_ref().map(|platform| Platform {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone().filter(|variant| !variant.is_empty()),
    });
    Ok(Entry {
        descriptor: descriptor(raw)?,
        platform,
        annotations: raw.annotations.clone().unwrap_or_default(),
    })
}

fn descriptor(raw: &RawDescriptor) -> Result<Descriptor, String> {
    let digest = sha256(&raw.digest)?;
    Ok(Descriptor { media_type: raw.media_type.clone(), digest, size: raw.size })
}

/// Parses a digest of the kind that images are named by.
pub(crate) fn sha256(text: &str) -> Result<Digest, String> {
    let digest = text.parse::<Digest>().ok();
    digest.filter(|digest| digest.algorithm() == Algorithm::Sha256).ok_or_else(|| {
        let shown: String = text.escape_debug().take(100).collect();
        format!("`{shown}` is not a digest of `sha256:` and 64 hex digits")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::descriptor::CONFIG;

    const HEX: &str = "1a0a2b4dc6ece86d3f8cbf47a46a90963dd1fddbc29fa7ecea72bfc2b7299010";

    fn part(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{HEX}"), "size": 3})
    }

    fn manifest() -> Value {
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG), "layers": [part("l")]})
    }

    fn index() -> Value {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [part(MANIFEST)]})
    }

    fn with(mut document: Value, key: &str, value: Value) -> Value {
        document[key] = value;
        document
    }

    fn error(document: &Value, declared: Option<&str>) -> String {
        let error = parse(document.to_string().as_bytes(), declared).unwrap_err();
        error.to_string()
    }

    #[track_caller]
    fn refused(document: &Value, why: &str) {
        let error = error(document, None);
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn manifests_and_indexes_of_both_families_are_read() {
        for (document, types) in
            [(manifest(), [MANIFEST, DOCKER_MANIFEST]), (index(), [INDEX, DOCKER_LIST])]
        {
            for media_type in types {
                let bytes = with(document.clone(), "mediaType", media_type.into()).to_string();
                let (read, content) = parse(bytes.as_bytes(), Some(media_type)).unwrap();
                assert_eq!(
                    (read.media_type.as_str(), &read.bytes[..]),
                    (media_type, bytes.as_bytes())
                );
                assert_eq!(
                    matches!(content, Content::Index(_)),
                    document.get("manifests").is_some()
                );
            }
        }
    }

    #[test]
    fn a_document_without_a_type_is_what_it_was_sent_as() {
        let mut document = manifest();
        document.as_object_mut().unwrap().remove("mediaType");
        let bytes = document.to_string();
        let typed = |declared| parse(bytes.as_bytes(), declared).unwrap().0.media_type;
        assert_eq!(
            typed(Some("application/vnd.docker.distribution.manifest.v2+json; x=y")),
            DOCKER_MANIFEST
        );
        assert_eq!(typed(None), MANIFEST);
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_refused() {
        refused(&with(manifest(), "manifests", json!([])), "both `layers` and `manifests`");
        refused(&with(index(), "layers", json!([])), "both `layers` and `manifests`");
        refused(&with(index(), "Layers", json!([])), "`Layers` is one of another spelling");
        refused(&with(manifest(), "mediaType", INDEX.into()), "no `manifests`");
        assert!(error(&manifest(), Some(INDEX)).contains("was sent as"));
        let twice = manifest().to_string().replacen("{", "{\"layers\":[],", 1);
        assert!(parse(twice.as_bytes(), None).unwrap_err().to_string().contains("duplicate"));
    }

    #[test]
    fn wrong_parts_are_refused() {
        for digest in ["", "sha256:../../etc/passwd", &format!("b3:{HEX}"), &HEX.to_uppercase()] {
            let layer = with(part("l"), "digest", (*digest).into());
            refused(&with(manifest(), "layers", json!([layer])), "is not a digest");
        }
        let negative = with(part("l"), "size", (-1).into());
        refused(&with(manifest(), "layers", json!([negative])), "not what it should be");
        refused(&with(manifest(), "schemaVersion", 1.into()), "is 1, not 2");
        refused(&json!({"schemaVersion": 1, "fsLayers": []}), "old schema 1");
        refused(&json!([]), "not what it should be");
    }

    #[test]
    fn documents_end_at_their_limits() {
        refused(&with(manifest(), "layers", json!(vec![part("l"); 1001])), "1001 parts");
        refused(&with(index(), "manifests", json!(vec![part(MANIFEST); 1001])), "1001 parts");
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(deep.as_bytes(), None).unwrap_err().to_string().contains("deeper than 64"));
        let large = " ".repeat((4 << 20) + 1);
        assert!(parse(large.as_bytes(), None).unwrap_err().to_string().contains("larger than"));
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth(br#"{"[[[\"[[": ["{"]}"#), 2);
    }
}
