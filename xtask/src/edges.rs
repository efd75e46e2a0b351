//! The edges between crates that ARCHITECTURE.md draws, checked against what Cargo resolves.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// What each crate of ours may depend on, besides `wharf-spec`; the package `wharf` may name all.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("wharf-spec", &[]),
    ("wharf-net", &[]),
    ("wharf-oci", &["wharf-net"]),
    ("wharf-engine", &[]),
    ("wharf-model", &[]),
    ("wharf-serve", &["wharf-model"]),
    ("wharf-ops", &["wharf-oci", "wharf-engine", "wharf-model", "wharf-net"]),
    ("wharf-testkit", &[]),
    ("wharf-fuzz", &["wharf-oci", "wharf-model", "wharf-ops"]),
];

/// A library of others and the only crates that may name it.
const WRAPPERS: [(&str, &[&str]); 4] = [
    ("bollard", &["wharf-engine"]),
    ("rten", &["wharf-model"]),
    ("reqwest", &["wharf-net"]),
    ("libloading", &[]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(crate::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our crates → what they depend on, without dev-dependencies.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().filter(|package| package["source"].is_null());
    ours.map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let product = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        let names =
            product.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), names)
    })
    .collect()
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let edges = edges();
    for (name, allowed) in ALLOWED {
        for dependency in edges[name].iter().filter(|dependency| dependency.starts_with("wharf")) {
            let fine = dependency == "wharf-spec" || allowed.contains(&dependency.as_str());
            assert!(fine, "{name} may not depend on {dependency}");
        }
    }
}

#[test]
fn some_libraries_have_one_wrapper() {
    for (name, dependencies) in edges() {
        for (library, wrappers) in WRAPPERS {
            let fine = !dependencies.contains(library) || wrappers.contains(&name.as_str());
            assert!(fine, "{name} may not name {library}: only {wrappers:?}");
        }
    }
}

#[test]
fn the_words_do_no_input_or_output() {
    let banned = ["tokio", "hyper", "reqwest", "bollard", "rustix", "tempfile"];
    let found: Vec<_> = edges()["wharf-spec"]
        .iter()
        .filter(|name| banned.contains(&name.as_str()))
        .cloned()
        .collect();
    assert!(found.is_empty(), "wharf-spec is pure, and depends on {found:?}");
}
