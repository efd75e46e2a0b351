//! What goes with an image besides the image: what it is made of, how it was made, and who vouches for it.
//!
//! - [`bill`]: the parts of an image; `cyclonedx`: as an SBOM; `slsa`: as provenance;
//! - [`signature`]: signing what is in a registry, and checking it.
//!
//! Documents hold no time and no random number: the same image has the same ones, and an unchanged push sends nothing.

pub mod bill;

mod cyclonedx;

mod slsa;

pub mod signature;

use wharf_oci::attachment::Attachment;
use wharf_spec::digest::Digest;

use self::bill::Bill;

/// The version of wharf that documents name.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where wharf comes from.
const HOME: &str = "https://github.com/wharf-ml/wharf";

/// What a provenance states (SLSA 1.0, "Provenance").
pub(crate) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Returns SBOM and provenance of an image, by the digest of its manifest.
pub fn attachments(bill: &Bill, manifest: Digest) -> [Attachment; 2] {
    [cyclonedx::attachment(bill, manifest), slsa::attachment(bill, manifest)]
}

#[cfg(test)]
mod tests {
    use super::{
        bill::{Component, ComponentKind},
        *,
    };

    pub(super) fn manifest() -> Digest {
        wharf_oci::descriptor::digest_of(b"an image")
    }

    pub(super) fn bill() -> Bill {
        let hash = |text: &str| Digest::blake3(text.as_bytes());
        let file = Component {
            hash: Some(hash("file")),
            ..Component::new(ComponentKind::File, "iris.json")
        };
        let model = Component {
            hash: Some(hash("model")),
            properties: vec![("io.wharf.model.kind", "xgboost".to_owned())],
            parts: vec![file],
            ..Component::new(ComponentKind::Model, "iris")
        };
        Bill {
            name: "iris".to_owned(),
            components: vec![
                Component::base("python:3.11-slim", Some(manifest())),
                Component::requirement("numpy==2.1.0"),
                Component::server("wharf-serve", hash("server")),
                model,
            ],
            recipe: hash("recipe"),
        }
    }

    #[test]
    fn the_same_image_has_the_same_documents() {
        let first = attachments(&bill(), manifest());
        assert_eq!(first, attachments(&bill(), manifest()));
        let other = wharf_oci::descriptor::digest_of(b"another image");
        assert!(first.iter().zip(attachments(&bill(), other)).all(|(one, two)| *one != two));
    }
}
