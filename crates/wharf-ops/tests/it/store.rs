//! What every state store does: compare-and-set, leases, and nothing torn.

use std::{fs, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use wharf_ops::store::{
    RecordName, StateStore,
    folder::{FolderStore, StoreIndex},
    record::{DeploymentRecord, PortOwner, RECORD_SCHEMA, Release, SourceKind},
};
use wharf_spec::{digest::Digest, error::Explain as _};

fn name(text: &str) -> RecordName {
    RecordName { project: "default".parse().unwrap(), name: text.parse().unwrap() }
}

fn record(generation: u64) -> DeploymentRecord {
    let digest = Digest::blake3(b"x");
    let release = Release {
        generation,
        source: SourceKind::Model,
        model: "iris.json".to_owned(),
        file: None,
        model_hash: Some(digest),
        is_mounted: false,
        image: "wharf/iris:1".to_owned(),
        image_id: "sha256:1".to_owned(),
        image_digest: digest,
        spec_digest: digest,
        handle: "abc".to_owned(),
        host_ports: vec![8080],
        when: "2026-01-01T00:00:00Z".to_owned(),
    };
    DeploymentRecord {
        schema: RECORD_SCHEMA.to_owned(),
        project: "default".parse().unwrap(),
        name: "iris".parse().unwrap(),
        current: release,
        history: Vec::new(),
        port_owner: PortOwner::Engine,
    }
}

fn store(folder: &tempfile::TempDir) -> FolderStore {
    FolderStore::open_or_create(&folder.path().join(".wharf/state")).unwrap()
}

#[tokio::test]
async fn a_record_is_written_only_over_the_version_that_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let first = store.write(&name("iris"), &record(1), None).await.unwrap();
    let again = store.write(&name("iris"), &record(2), None).await.unwrap_err();
    assert_eq!(again.code().to_string(), "W0803");
    let second = store.write(&name("iris"), &record(2), Some(&first)).await.unwrap();
    assert!(store.write(&name("iris"), &record(3), Some(&first)).await.is_err(), "an old version");
    let (read, version) = store.read(&name("iris")).await.unwrap().unwrap();
    assert_eq!((read.current.generation, version), (2, second));
}

#[tokio::test]
async fn of_many_who_write_at_once_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(&folder));
    let mut writers = JoinSet::new();
    for generation in 0..16 {
        let store = store.clone();
        writers.spawn(async move {
            store.write(&name("iris"), &record(generation), None).await.is_ok()
        });
    }
    let won = writers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_lease_is_handed_on_and_never_held_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(&folder));
    let held = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let (store, held) = (store.clone(), held.clone());
        workers.spawn(async move {
            for _ in 0..5 {
                let lease = store.lease(&name("iris"), Duration::from_secs(20)).await.unwrap();
                assert_eq!(held.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                drop(lease);
            }
        });
    }
    while let Some(outcome) = workers.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn leases_of_two_names_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let _one = store.lease(&name("one"), Duration::ZERO).await.unwrap();
    let _other = store.lease(&name("other"), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_half_written_file_of_a_killed_command_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let version = store.write(&name("iris"), &record(1), None).await.unwrap();
    let records = store.folder().join("records/default");
    fs::write(records.join("iris.99999.tmp"), "{\"schema\"").unwrap();
    fs::write(records.join("other.99999.tmp"), "").unwrap();
    assert_eq!(store.list().await.unwrap(), [name("iris")]);
    store.write(&name("iris"), &record(2), Some(&version)).await.unwrap();
}

#[tokio::test]
async fn two_commands_that_make_a_store_agree_on_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".wharf/state");
    let mut makers = JoinSet::new();
    for _ in 0..8 {
        let path = path.clone();
        makers.spawn_blocking(move || {
            let store = FolderStore::open_or_create(&path).unwrap();
            (store.id().clone(), store.seal_key().clone())
        });
    }
    let made = makers.join_all().await;
    assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "ids and keys differ");
}

#[tokio::test]
async fn an_index_opens_only_what_an_id_can_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let index = StoreIndex { folder: folder.path().join("stores") };
    index.remember(&store).unwrap();
    let found = index.open(&store.id().0).unwrap().unwrap();
    assert_eq!(found.id(), store.id());
    for hostile in ["", "..", "../state", "/etc/passwd", "00ff"] {
        assert!(index.open(hostile).unwrap().is_none(), "{hostile}");
    }
    fs::remove_dir_all(store.folder()).unwrap();
    assert!(index.open(&store.id().0).unwrap().is_none(), "its folder has gone");
}

#[test]
fn a_record_from_before_apps_is_one_of_a_model() {
    let mut value = serde_json::to_value(record(1)).unwrap();
    value["current"].as_object_mut().unwrap().remove("source");
    let read: DeploymentRecord = serde_json::from_value(value).unwrap();
    assert_eq!(read, record(1));
}
