//! How an image was made: an in-toto statement with SLSA's provenance.

use serde_json::{Value, json};
use wharf_oci::{
    attachment::Attachment,
    sign::document::{STATEMENT, statement},
};
use wharf_spec::digest::{Algorithm, Digest};

use super::{
    HOME, PROVENANCE, VERSION,
    bill::{Bill, Component},
};

/// Returns the provenance of an image, to attach to it.
pub(super) fn attachment(bill: &Bill, manifest: Digest) -> Attachment {
    let mut attachment =
        Attachment::new(STATEMENT, statement(manifest, PROVENANCE, &predicate(bill)));
    // By this annotation tools find out what a statement is about without reading it.
    attachment.annotations.insert("in-toto.io/predicate-type".to_owned(), PROVENANCE.to_owned());
    attachment
}

fn predicate(bill: &Bill) -> Value {
    let materials: Vec<_> = bill.components.iter().filter_map(material).collect();
    json!({
        "buildDefinition": {
            "buildType": format!("{HOME}/build/v1"),
            "externalParameters": {"model": bill.name, "recipe": bill.recipe},
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {"id": HOME, "version": {"wharf": VERSION}},
        },
    })
}

/// Returns a part by its digest; what has none is in the SBOM only.
fn material(component: &Component) -> Option<Value> {
    let hash = component.hash?;
    let algorithm = match hash.algorithm() {
        Algorithm::Sha256 => "sha256",
        Algorithm::Blake3 => "blake3",
    };
    let mut material = json!({"name": component.name, "digest": {algorithm: hash.hex()}});
    if let Some(purl) = &component.purl {
        material["uri"] = purl.as_str().into();
    }
    Some(material)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply::tests::{bill, manifest};

    #[test]
    fn provenance_names_the_image_and_its_materials() {
        let document: Value =
            serde_json::from_slice(&attachment(&bill(), manifest()).bytes).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [
    {
      "digest": {
        "sha256": "a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"
      }
    }
  ],
  "predicateType": "https://slsa.dev/provenance/v1",
  "predicate": {
    "buildDefinition": {
      "buildType": "https://github.com/wharf-ml/wharf/build/v1",
      "externalParameters": {
        "model": "iris",
        "recipe": "b3:2cd86560b2a6a0a54b6f2767adec4d9fbf74c7b4c39ebca63fef3cdcee0d14f3"
      },
      "resolvedDependencies": [
        {
          "name": "python:3.11-slim",
          "digest": {
            "sha256": "a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"
          }
        },
        {
          "name": "wharf-serve",
          "digest": {
            "blake3": "85accfa4c873f835a1c0037f306c5b503cbdd1a235f2bffea25ee989820005e3"
          }
        },
        {
          "name": "iris",
          "digest": {
            "blake3": "ccca53791b024d98ee5d8c126d923e16f6cede945beb0b93c9abca301ed453e7"
          }
        }
      ]
    },
    "runDetails": {
      "builder": {
        "id": "https://github.com/wharf-ml/wharf",
        "version": {
          "wharf": "0.0.0"
        }
      }
    }
  }
}
"#);
    }
}
