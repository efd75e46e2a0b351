//! What the tests on real engines share: a connection, and a small image.

use std::{fs, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use wharf_engine::{
    Engine,
    conformance::Subject,
    connect::{ConnectSettings, connect},
};
use wharf_spec::{digest::hex, reference::Reference};

const IMAGE: &str = "wharf-test:1";
const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 23] = [
    "awk", "cat", "df", "echo", "false", "grep", "head", "httpd", "id", "kill", "ls", "mkdir",
    "nc", "nslookup", "printf", "seq", "sh", "sleep", "tail", "test", "touch", "tr", "true",
];

/// Connects twice and makes sure of the image.
pub(crate) async fn subject(settings: ConnectSettings) -> Subject {
    static IMAGE_MADE: OnceCell<()> = OnceCell::const_new();
    let engine = connect(&settings).await.expect("the engine that this test needs");
    let again = connect(&settings).await.expect("a second connection");
    IMAGE_MADE.get_or_init(|| make_image(&engine)).await;
    Subject { engine, again, image: IMAGE.to_owned() }
}

async fn make_image(engine: &Arc<dyn Engine>) {
    let images = engine.images().expect("an engine with containers has images");
    let found = images.find(IMAGE).await.expect("the image store answers");
    if found.is_none() {
        let reference: Reference = IMAGE.parse().expect("a reference");
        let pieces: Vec<Bytes> = archive().chunks(1 << 16).map(Bytes::copy_from_slice).collect();
        images.load(stream::iter(pieces).boxed(), &reference).await.expect("the image is loaded");
    }
}

/// Returns an image of one static program, as `docker save` writes it.
fn archive() -> Vec<u8> {
    let layer = layer();
    let digest = hex(&Sha256::digest(&layer));
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["true"] },
        // Podman counts: a layer without its history makes no base for a build.
        "history": [{ "created_by": "a test of wharf" }],
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest = serde_json::json!([
        { "Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"] }
    ]);
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [
        ("config.json", config.to_string().into_bytes()),
        ("layer.tar", layer),
        ("manifest.json", manifest.to_string().into_bytes()),
    ] {
        add(&mut archive, path, 0o644, &content);
    }
    archive.into_inner().expect("memory takes everything")
}

fn layer() -> Vec<u8> {
    let busybox = fs::read(BUSYBOX).unwrap_or_else(|error| {
        panic!("{BUSYBOX}: {error}; get it with `apt-get install busybox-static`")
    });
    let mut layer = tar::Builder::new(Vec::new());
    for folder in ["bin/", "etc/", "tmp/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp/" { 0o1777 } else { 0o755 });
        header.set_size(0);
        layer.append_data(&mut header, folder, &[][..]).expect("memory takes everything");
    }
    add(&mut layer, "bin/busybox", 0o755, &busybox);
    for applet in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer
            .append_link(&mut header, format!("bin/{applet}"), "busybox")
            .expect("memory takes everything");
    }
    layer.into_inner().expect("memory takes everything")
}

fn add(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content).expect("memory takes everything");
}
