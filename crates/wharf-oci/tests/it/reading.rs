//! Images of others: read from registries and layouts, copied with their digests, refused where they are hostile.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use wharf_oci::{
    copy::{Observer, Step, Target, Way, copy},
    descriptor::{CONFIG, Descriptor, Document, INDEX, LAYER, MANIFEST, digest_of},
    docker_archive,
    image::{CREATED, Image, Making, RunConfig},
    layout,
    manifest::Platform,
    registry::{ManifestName, Registry, error::RegistryError},
    store::{Layout, Store, Which},
    tree::{Part, Tree},
};
use wharf_spec::{digest::Digest, error::Explain as _, reference::Reference};

use crate::{
    push::{send, target},
    stub::{Answer, Seen, Stub, image},
};

fn silent() -> Observer {
    Arc::new(|_| {})
}

fn for_amd64() -> Which {
    Which::For("linux/amd64".parse().unwrap())
}

/// Reads what a registry has as `ml/iris:1`.
async fn read(registry: &Arc<Registry>, which: &Which) -> wharf_oci::error::Result<Tree> {
    let root = registry.document("ml/iris", &ManifestName::Tag("1")).await;
    let root = root.map_err(|error| wharf_oci::error::OciError::Fetch(Box::new(error)))?;
    let store = Store::Registry { registry: registry.clone(), repository: "ml/iris".to_owned() };
    store.tree(root, which).await
}

async fn image_in(registry: &Arc<Registry>) -> wharf_oci::error::Result<Image> {
    let tree = read(registry, &for_amd64()).await?;
    tokio::task::spawn_blocking(|| Image::read(tree)).await.unwrap()
}

/// Writes the first layer of what the registry has.
async fn layer_of(registry: &Arc<Registry>) -> wharf_oci::error::Result<Vec<u8>> {
    let tree = read(registry, &for_amd64()).await?;
    let writing = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        tree.layers[0].content.write(&mut bytes).map(|()| bytes)
    });
    writing.await.unwrap()
}

/// A registry that holds [`image`], and has a manner.
async fn holding(
    manner: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
) -> (Stub, Arc<Registry>) {
    let stub = Stub::start(manner);
    let registry = Arc::new(stub.connect().await.unwrap());
    send(&image(), &registry).await.unwrap();
    (stub, registry)
}

fn is_layer(seen: &Seen) -> bool {
    let layer = image().layers()[0].descriptor.digest;
    seen.is("GET", &format!("/blobs/{layer}"))
}

/// A registry whose `ml/iris:1` is this document.
async fn showing(document: &Value, sent_as: &str) -> RegistryError {
    let (body, sent_as) = (document.to_string(), sent_as.to_owned());
    let stub = Stub::start(move |seen, _| match seen.is("GET", "/manifests/") {
        true => Answer::With(200, vec![("content-type", sent_as.clone())], body.clone()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    registry.document("ml/iris", &ManifestName::Tag("1")).await.unwrap_err()
}

/// An index of two images, for amd64 and arm64, and one with another kind of part.
fn index() -> Tree {
    let child = |architecture: &str| {
        let bytes = json!({"architecture": architecture, "os": "linux",
                           "rootfs": {"type": "layers", "diff_ids": []}})
        .to_string();
        manifest(CONFIG, bytes)
    };
    let mut children = vec![child("amd64"), child("arm64")];
    children.push(manifest("application/vnd.example.signature", "{}".to_owned()));
    let platforms = ["amd64", "arm64", "unknown"];
    let entries: Vec<_> = children
        .iter()
        .zip(platforms)
        .map(|(child, architecture)| {
            let Descriptor { media_type, digest, size } = child.document.descriptor();
            let os = if architecture == "unknown" { "unknown" } else { "linux" };
            json!({"mediaType": media_type, "digest": digest, "size": size,
                   "platform": {"os": os, "architecture": architecture}})
        })
        .collect();
    let bytes = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "x": 1});
    let document = Document { media_type: INDEX.to_owned(), bytes: bytes.to_string().into() };
    Tree { document, config: None, layers: Vec::new(), children }
}

fn manifest(config_type: &str, config: String) -> Tree {
    let descriptor = Descriptor::of(config_type, config.as_bytes());
    let bytes = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
                       "config": {"mediaType": config_type, "digest": descriptor.digest, "size": descriptor.size}});
    Tree {
        document: Document { media_type: MANIFEST.to_owned(), bytes: bytes.to_string().into() },
        config: Some(Part {
            descriptor,
            content: Arc::new(bytes::Bytes::from(config)),
            home: None,
        }),
        layers: Vec::new(),
        children: Vec::new(),
    }
}

#[tokio::test]
async fn an_image_is_copied_between_registries_with_its_digest() {
    let (_from, source) = holding(|_, _| Answer::Normal).await;
    let stub = Stub::start(|_, _| Answer::Normal);
    let there = stub.connect().await.unwrap();
    let tree = read(&source, &Which::All).await.unwrap();
    let copied = copy(tree, &there, &target(), &silent()).await.unwrap();
    assert_eq!(copied.digest, layout::manifest_digest(&image()));
    assert!(copied.sent > 3 << 20);
    let held = stub.held(|held| held.blobs.len());
    assert_eq!(held, 2, "a layer and a config");
}

#[tokio::test]
async fn layers_are_taken_over_within_a_registry() {
    let (stub, registry) = holding(|_, _| Answer::Normal).await;
    let tree = read(&registry, &Which::All).await.unwrap();
    let other = Target { repository: "ml/other".to_owned(), ..target() };
    let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
    let watched = steps.clone();
    let observer: Observer = Arc::new(move |step| watched.lock().unwrap().push(step));
    copy(tree, &registry, &other, &observer).await.unwrap();
    let steps = steps.lock().unwrap();
    assert!(matches!(steps[..], [Step::Done { way: Way::Mounted, .. }]), "{steps:?}");
    assert_eq!(stub.seen().iter().filter(|seen| is_layer(seen)).count(), 0, "it was not fetched");
}

#[tokio::test]
async fn an_index_is_copied_as_a_whole_or_for_one_platform() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = Arc::new(stub.connect().await.unwrap());
    let sent = copy(index(), &registry, &target(), &silent()).await.unwrap();
    assert_eq!(sent.digest, index().digest());

    let all = read(&registry, &Which::All).await.unwrap();
    assert_eq!((all.digest(), all.children.len()), (sent.digest, 3));
    let one = read(&registry, &Which::For("linux/arm64".parse().unwrap())).await.unwrap();
    assert_eq!(one.digest(), index().children[1].digest());

    let none = Which::For(Platform { os: "linux".to_owned(), ..("x/riscv64".parse().unwrap()) });
    let error = read(&registry, &none).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0321");
    assert_eq!(
        error.hints(),
        ["name one that there is with `--platform`: linux/amd64, linux/arm64"]
    );
}

#[tokio::test]
async fn a_download_goes_on_where_the_line_broke() {
    let (stub, registry) = holding(|seen, earlier| match is_layer(seen) {
        true if earlier < 2 => Answer::Part(1 << 20),
        _ => Answer::Normal,
    })
    .await;
    let bytes = layer_of(&registry).await.unwrap();
    assert_eq!(digest_of(&bytes), image().layers()[0].descriptor.digest);
    let ranges: Vec<_> = stub
        .seen()
        .iter()
        .filter(|seen| is_layer(seen))
        .map(|seen| seen.headers.get("range").cloned().unwrap_or_default())
        .collect();
    assert_eq!(ranges.len(), 3);
    assert!(ranges[0].is_empty() && ranges[1].starts_with("bytes="), "{ranges:?}");
}

#[tokio::test]
async fn a_registry_that_always_begins_anew_is_borne() {
    let whole = {
        let mut bytes = Vec::new();
        image().layers()[0].content.write(&mut bytes).unwrap();
        // The stub sends text only, which this layer is not: it is made so.
        bytes.iter().map(|byte| char::from(byte % 64 + 32)).collect::<String>()
    };
    let (descriptor, body) = (Descriptor::of(LAYER, whole.as_bytes()), whole.clone());
    let path = format!("/blobs/{}", descriptor.digest);
    let stub = Stub::start(move |seen, _| match seen.is("GET", &path) {
        true => Answer::With(200, vec![], body.clone()),
        false => Answer::Normal,
    });
    let registry = Arc::new(stub.connect().await.unwrap());
    let blob = wharf_oci::registry::download::RemoteBlob::new(registry, "ml/iris", descriptor);
    let writing = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        wharf_oci::blob::Blob::write(&blob, &mut bytes).map(|()| bytes)
    });
    assert_eq!(writing.await.unwrap().unwrap(), whole.as_bytes());
}

#[tokio::test]
async fn another_blob_than_was_named_is_refused() {
    let (_stub, registry) = holding(|seen, _| match is_layer(seen) {
        true => Answer::With(200, vec![], "x".repeat(100)),
        false => Answer::Normal,
    })
    .await;
    let error = layer_of(&registry).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0320");
    assert!(error.to_string().contains("it ends after 100 of"), "{error}");
}

#[tokio::test]
async fn a_blob_without_end_is_left_at_its_size() {
    let (stub, registry) = holding(|seen, _| match is_layer(seen) {
        true => Answer::Endless(200),
        false => Answer::Normal,
    })
    .await;
    let error = layer_of(&registry).await.unwrap_err();
    assert!(error.to_string().contains("it is larger than"), "{error}");
    assert!(stub.written() < 24 << 20, "{} bytes were taken", stub.written());
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_refused() {
    let (_stub, registry) = holding(|seen, _| match is_layer(seen) {
        true => {
            Answer::With(206, vec![("content-range", "bytes 5-9/10".to_owned())], "x".to_owned())
        }
        false => Answer::Normal,
    })
    .await;
    let error = layer_of(&registry).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0317");
}

#[tokio::test]
async fn blobs_are_not_fetched_from_hosts_that_nobody_named() {
    let trap = Stub::trap();
    let elsewhere = trap.url("/x");
    let (_stub, registry) = holding(move |seen, _| match is_layer(seen) {
        true => Answer::With(307, vec![("location", elsewhere.clone())], String::new()),
        false => Answer::Normal,
    })
    .await;
    let error = layer_of(&registry).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0316");
    assert!(error.hints()[0].contains("`--storage-host 127.0.0.1`"), "{:?}", error.hints());
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn blobs_are_never_fetched_unencrypted_from_elsewhere() {
    let trap = Stub::trap();
    let elsewhere = trap.url("/x");
    let stub = Stub::start(move |seen, _| match is_layer(seen) {
        true => Answer::With(307, vec![("location", elsewhere.clone())], String::new()),
        false => Answer::Normal,
    });
    let allow = |access: &mut wharf_oci::registry::Access| {
        access.storage_hosts = vec!["127.0.0.1".to_owned()];
    };
    let registry = Arc::new(stub.connect_with(allow).await.unwrap());
    send(&image(), &registry).await.unwrap();
    let error = layer_of(&registry).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0316");
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn documents_that_mislead_are_refused() {
    let part = json!({"mediaType": CONFIG, "digest": digest_of(b"").to_string(), "size": 0});
    let both = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": [], "manifests": []});
    let image = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": []});
    for (document, sent_as) in [(&both, MANIFEST), (&image, INDEX), (&json!({}), MANIFEST)] {
        let error = showing(document, sent_as).await;
        assert_eq!(error.code().to_string(), "W0320", "{error:?}");
    }
}

#[tokio::test]
async fn a_config_must_fit_its_layers() {
    let config = json!({"rootfs": {"diff_ids": [digest_of(b"").to_string()]}}).to_string();
    let wrong = [
        (manifest(CONFIG, config), "it has 1 layers, its manifest 0"),
        (manifest(CONFIG, "[]".to_owned()), "not what it should be"),
        (manifest("application/vnd.example", "{}".to_owned()), "this is something else"),
    ];
    for (tree, why) in wrong {
        let stub = Stub::start(|_, _| Answer::Normal);
        let registry = Arc::new(stub.connect().await.unwrap());
        copy(tree, &registry, &target(), &silent()).await.unwrap();
        let error = image_in(&registry).await.unwrap_err();
        assert_eq!(error.code().to_string(), "W0320");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn indexes_of_indexes_end() {
    let mut tree = index();
    for _ in 0..3 {
        let Descriptor { media_type, digest, size } = tree.document.descriptor();
        let above = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests":
            [{"mediaType": media_type, "digest": digest, "size": size}]});
        let document = Document { media_type: INDEX.to_owned(), bytes: above.to_string().into() };
        tree = Tree { document, config: None, layers: Vec::new(), children: vec![tree] };
    }
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = Arc::new(stub.connect().await.unwrap());
    copy(tree, &registry, &target(), &silent()).await.unwrap();
    let error = read(&registry, &Which::All).await.unwrap_err();
    assert!(error.to_string().contains("indexes deeper than 2"), "{error}");
}

#[tokio::test]
async fn layouts_and_archives_are_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<Reference> = vec!["localhost:5000/iris:2".parse().unwrap()];
    let (dir, tar) = (folder.path().join("dir"), folder.path().join("a.tar"));
    layout::write_folder(index(), &names, &dir).unwrap();
    layout::write_archive(index(), &names, std::fs::File::create(&tar).unwrap()).unwrap();
    for path in [dir, tar] {
        let layout = Layout::open(&path).unwrap();
        let root = layout.document(&layout.find(Some("2")).unwrap()).unwrap();
        let tree = Store::Layout(layout).tree(root, &Which::All).await.unwrap();
        assert_eq!((tree.digest(), tree.children.len()), (index().digest(), 3));
        let config = tree.children[0].config.as_ref().unwrap();
        let mut bytes = Vec::new();
        config.content.write(&mut bytes).unwrap();
        assert_eq!(digest_of(&bytes), config.descriptor.digest);
    }
}

#[test]
fn an_archive_of_docker_gives_the_image_that_was_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let names: Vec<Reference> = vec!["wharf/iris:1".parse().unwrap()];
    wharf_oci::archive::write(&image(), &names, file.reopen().unwrap()).unwrap();
    let read = docker_archive::read(file.path(), None).unwrap();
    assert_eq!(layout::manifest_digest(&read), layout::manifest_digest(&image()));
    let error = docker_archive::read(file.path(), Some("other:1")).unwrap_err();
    assert!(
        error.to_string().ends_with("it has no such image; there are: `wharf/iris:1`"),
        "{error}"
    );
}

#[test]
fn an_archive_of_docker_keeps_the_manifest_that_lies_in_it() {
    let says = |what: &str| BTreeMap::from([("io.wharf.version".to_owned(), what.to_owned())]);
    let (run, layers) = (RunConfig::default(), image().layers().to_vec());
    let making = |layers, annotations| Making {
        layers,
        run: &run,
        architecture: "amd64",
        created: CREATED,
        annotations,
    };
    let annotated = Image::of(making(layers.clone(), says("1")));
    let file = tempfile::NamedTempFile::new().unwrap();
    wharf_oci::archive::write(&annotated, &[], file.reopen().unwrap()).unwrap();
    let read = docker_archive::read(file.path(), None).unwrap();
    assert_eq!(read.manifest(), annotated.manifest());

    // A layout with the same blobs and another image's manifest beside the list.
    let other = Image::of(making(Vec::new(), says("2")));
    let folder = tempfile::tempdir().unwrap();
    layout::write_folder(&annotated, &[], folder.path()).unwrap();
    let name = |digest: Digest| format!("blobs/sha256/{}", digest.hex());
    let layers: Vec<_> = layers.iter().map(|layer| name(layer.descriptor.digest)).collect();
    let list = serde_json::json!([{"Config": name(annotated.config_digest()), "Layers": layers}]);
    std::fs::write(folder.path().join("manifest.json"), list.to_string()).unwrap();
    layout::write_folder(&other, &[], folder.path()).unwrap();
    let read = docker_archive::read(folder.path(), None).unwrap();
    assert_eq!(read.config_digest(), annotated.config_digest());
    assert!(!String::from_utf8_lossy(&read.manifest().bytes).contains("io.wharf.version"));
}

#[test]
fn a_layout_that_leads_out_of_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    layout::write_folder(image(), &[], folder.path()).unwrap();
    let index = folder.path().join("index.json");
    std::fs::remove_file(&index).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &index).unwrap();
    let error = Layout::open(folder.path()).unwrap().find(None).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it is not a plain file");
}

#[tokio::test]
async fn tags_are_read_page_by_page_from_the_registry_itself() {
    let page = |tags: &[&str]| json!({"name": "ml/iris", "tags": tags}).to_string();
    let next = |to: String| vec![("link", format!("<{to}>; rel=\"next\""))];
    let trap = Stub::trap();
    let elsewhere = trap.url("/x");
    let stub = Stub::start(move |seen, _| match seen.path.as_str() {
        "/v2/ml/iris/tags/list?n=1000" => {
            Answer::With(200, next("/v2/ml/iris/tags/list?last=b".to_owned()), page(&["a", "b"]))
        }
        "/v2/ml/iris/tags/list?last=b" => Answer::With(200, vec![], page(&["c"])),
        "/v2/ml/led/tags/list?n=1000" => Answer::With(200, next(elsewhere.clone()), page(&["a"])),
        "/v2/ml/bad/tags/list?n=1000" => Answer::With(200, vec![], page(&["\u{1b}[2J"])),
        "/v2/ml/round/tags/list?n=1000" => Answer::With(200, next(seen.path.clone()), page(&["a"])),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    assert_eq!(registry.tags("ml/iris").await.unwrap(), ["a", "b", "c"]);
    let error = async |repository| registry.tags(repository).await.unwrap_err().to_string();
    assert!(error("ml/led").await.contains("sends wharf elsewhere"));
    assert!(error("ml/bad").await.contains("`\\u{1b}[2J` is no tag"));
    assert!(error("ml/round").await.contains("it does not end"));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_registry_that_removes_nothing_says_so() {
    let stub = Stub::start(|seen, _| match seen.method == "DELETE" {
        true => Answer::With(405, vec![], String::new()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.delete_manifest("ml/iris", digest_of(b"")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoDeletion { .. }), "{error:?}");
    assert_eq!(error.code().to_string(), "W0313");
}
