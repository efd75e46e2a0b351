//! What registries, files of credentials, layouts and archives hold.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tempfile::TempDir;
use wharf_oci::{
    blob::OnlyInEngine,
    descriptor::{CONFIG, Descriptor, LAYER, MANIFEST, Manifest, digest_of},
    docker_archive as archive,
    image::{Base, CREATED, Image, Making, RunConfig},
    keychain::Keychain,
    manifest as foreign,
    registry::challenge as header,
    store::Layout,
    tree::{Part, Tree},
};

use crate::text;

/// The header in which a registry says how it wants to be asked.
pub fn challenge(input: &[u8]) {
    if let Some(text) = text(input) {
        header::parse(text);
    }
}

/// Docker's and Podman's file of credentials. Helpers are named and never found.
pub fn keychain(input: &[u8]) {
    with_file("config.json", input, |path| {
        let keychain = Keychain { files: vec![path.to_owned()], programs: Vec::new() };
        for host in ["docker.io", "localhost:5000"] {
            let host = host.parse().expect("both are hosts");
            keychain.find(&host, "ml/iris").now_or_never().map(Result::ok);
        }
    });
}

/// A manifest or an index, as each of the types that it may be sent as.
pub fn manifest(input: &[u8]) {
    for declared in [None, Some(MANIFEST)] {
        if let Ok((document, _)) = foreign::parse(input, declared) {
            assert_eq!(document.bytes, input, "a digest is of the bytes as they came");
        }
    }
}

/// An image's config: read, and built upon.
pub fn config(input: &[u8]) {
    let Ok(image) = Image::read(tree(input)) else { return };
    image.platform().ok();
    image.created();
    let base = Base { image, name: None };
    let making = Making {
        layers: Vec::new(),
        run: &RunConfig::default(),
        architecture: "amd64",
        created: CREATED,
        annotations: Default::default(),
    };
    Image::on(&base, making).expect("a config that was read can be built upon");
}

/// Returns the tree of an image of one layer with this config.
fn tree(config: &[u8]) -> Tree {
    let diff_id = digest_of(b"");
    let layer = Descriptor { media_type: LAYER.to_owned(), digest: diff_id, size: 0 };
    let config_descriptor = Descriptor::of(CONFIG, config);
    let parts = vec![layer.clone()];
    let document = Manifest::new(config_descriptor.clone(), parts, Default::default()).document();
    let content = Arc::new(Bytes::copy_from_slice(config));
    let layer = Part { descriptor: layer, content: Arc::new(OnlyInEngine { diff_id }), home: None };
    let config = Part { descriptor: config_descriptor, content, home: None };
    Tree { document, config: Some(config), layers: vec![layer], children: Vec::new() }
}

/// The index of a layout that is a folder.
pub fn layout_index(input: &[u8]) {
    with_file("index.json", input, |path| {
        let folder = path.parent().expect("it lies in a folder");
        fs::write(folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("the folder can be written");
        look(&Layout::open(folder).expect("the layout itself is fine"));
    });
}

/// A layout in a tar.
pub fn layout_archive(input: &[u8]) {
    with_file("layout.tar", input, |path| {
        if let Ok(layout) = Layout::open(path) {
            look(&layout);
        }
    });
}

fn look(layout: &Layout) {
    for name in [None, Some("1")] {
        if let Ok(descriptor) = layout.find(name) {
            layout.document(&descriptor).ok();
        }
    }
}

/// An archive of `docker save`.
pub fn docker_archive(input: &[u8]) {
    with_file("image.tar", input, |path| {
        if let Ok(image) = archive::read(path, None) {
            image.platform().ok();
        }
    });
}

fn with_file(name: &str, content: &[u8], look: impl FnOnce(&Path)) {
    let folder = TempDir::new().expect("there is room for a folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("the folder can be written");
    look(&path);
}
