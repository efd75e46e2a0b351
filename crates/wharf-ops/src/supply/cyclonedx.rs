//! The bill as an SBOM: CycloneDX 1.6, JSON.

use serde_json::{Map, Value, json};
use wharf_oci::attachment::Attachment;
use wharf_spec::digest::{Algorithm, Digest};

use super::{
    VERSION,
    bill::{Bill, Component, ComponentKind},
};

/// Its media type (RFC-registered by CycloneDX).
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// Returns the SBOM of an image, to attach to it.
pub(super) fn attachment(bill: &Bill, manifest: Digest) -> Attachment {
    let bytes = serde_json::to_vec(&document(bill, manifest)).expect("an SBOM is plain data");
    Attachment::new(CYCLONEDX, bytes)
}

fn document(bill: &Bill, manifest: Digest) -> Value {
    const IMAGE: &str = "image";
    let components: Vec<_> = bill.components.iter().enumerate().map(top_component).collect();
    let references: Vec<_> = (0..bill.components.len()).map(reference).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid_of(manifest)),
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "wharf", "version": VERSION}]},
            "component": {
                "type": "container",
                "bom-ref": IMAGE,
                "name": bill.name,
                "version": manifest,
                "hashes": [hash(manifest)],
            },
        },
        "components": components,
        "dependencies": [{"ref": IMAGE, "dependsOn": references}],
    })
}

fn top_component((at, component): (usize, &Component)) -> Value {
    let mut object = object(component);
    object.insert("bom-ref".to_owned(), reference(at).into());
    Value::Object(object)
}

/// Two packages may have one name, so parts are referred to by their place.
fn reference(at: usize) -> String {
    format!("component-{at}")
}

fn object(component: &Component) -> Map<String, Value> {
    let Component { kind, name, version, purl, hash: known, properties, parts } = component;
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.word().into());
    object.insert("name".to_owned(), name.as_str().into());
    let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
    if let Some(version) = version {
        add("version", version.as_str().into());
    }
    if let Some(known) = known {
        add("hashes", json!([hash(*known)]));
    }
    if let Some(purl) = purl {
        add("purl", purl.as_str().into());
    }
    if !properties.is_empty() {
        let properties: Vec<_> =
            properties.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        add("properties", properties.into());
    }
    if !parts.is_empty() {
        let parts: Vec<_> = parts.iter().map(self::object).map(Value::Object).collect();
        add("components", parts.into());
    }
    object
}

impl ComponentKind {
    /// Returns CycloneDX's word for it.
    const fn word(self) -> &'static str {
        match self {
            Self::Base => "container",
            Self::Server => "application",
            Self::Model => "machine-learning-model",
            Self::Package => "library",
            Self::File => "file",
        }
    }
}

fn hash(digest: Digest) -> Value {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Blake3 => "BLAKE3",
    };
    json!({"alg": algorithm, "content": digest.hex()})
}

/// Returns a UUID (RFC 9562, version 8) of a digest's first bits.
fn uuid_of(digest: Digest) -> String {
    let mut hex = digest.hex().into_bytes();
    hex.truncate(32);
    hex[12] = b'8';
    hex[16] = b"89ab"[usize::from(hex[16] & 3)];
    let hex = String::from_utf8(hex).expect("hex digits are text");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply::tests::{bill, manifest};

    #[test]
    fn an_sbom_names_every_part() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&document(&bill(), manifest())).unwrap(), @r#"
{
  "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
  "bomFormat": "CycloneDX",
  "specVersion": "1.6",
  "serialNumber": "urn:uuid:a5df3fde-7b20-8c3f-9279-1144c7e05c5c",
  "version": 1,
  "metadata": {
    "tools": {
      "components": [
        {
          "type": "application",
          "name": "wharf",
          "version": "0.0.0"
        }
      ]
    },
    "component": {
      "type": "container",
      "bom-ref": "image",
      "name": "iris",
      "version": "sha256:a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9",
      "hashes": [
        {
          "alg": "SHA-256",
          "content": "a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"
        }
      ]
    }
  },
  "components": [
    {
      "type": "container",
      "name": "python:3.11-slim",
      "hashes": [
        {
          "alg": "SHA-256",
          "content": "a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"
        }
      ],
      "bom-ref": "component-0"
    },
    {
      "type": "library",
      "name": "numpy",
      "version": "2.1.0",
      "purl": "pkg:pypi/numpy@2.1.0",
      "properties": [
        {
          "name": "io.wharf.requirement",
          "value": "numpy==2.1.0"
        }
      ],
      "bom-ref": "component-1"
    },
    {
      "type": "application",
      "name": "wharf-serve",
      "version": "0.0.0",
      "hashes": [
        {
          "alg": "BLAKE3",
          "content": "85accfa4c873f835a1c0037f306c5b503cbdd1a235f2bffea25ee989820005e3"
        }
      ],
      "bom-ref": "component-2"
    },
    {
      "type": "machine-learning-model",
      "name": "iris",
      "hashes": [
        {
          "alg": "BLAKE3",
          "content": "ccca53791b024d98ee5d8c126d923e16f6cede945beb0b93c9abca301ed453e7"
        }
      ],
      "properties": [
        {
          "name": "io.wharf.model.kind",
          "value": "xgboost"
        }
      ],
      "components": [
        {
          "type": "file",
          "name": "iris.json",
          "hashes": [
            {
              "alg": "BLAKE3",
              "content": "39aac93919e644bc384a2c14a24d6c8c4b57159cc1b54d2c469d79be97d1bf51"
            }
          ]
        }
      ],
      "bom-ref": "component-3"
    }
  ],
  "dependencies": [
    {
      "ref": "image",
      "dependsOn": [
        "component-0",
        "component-1",
        "component-2",
        "component-3"
      ]
    }
  ]
}
"#);
    }

    #[test]
    fn a_serial_number_follows_from_the_image() {
        let zero = Digest::new(Algorithm::Sha256, [0; 32]);
        assert_eq!(uuid_of(zero), "00000000-0000-8000-8000-000000000000");
        let one = Digest::new(Algorithm::Sha256, [0xff; 32]);
        assert_eq!(uuid_of(one), "ffffffff-ffff-8fff-affff-ffffffffffff".replace("affff", "afff"));
    }
}
