//! How a model is found, and what its bundle holds.

use std::fs;

use wharf_model::recognise::{FileSource, recognise};
use wharf_spec::digest::Digest;
use wharf_spec::error::Report;

use super::{copy_of, data, mlem, replace};

#[test]
fn a_model_is_found_by_file_by_name_and_by_folder() {
    let folder = data("mlem/today/sklearn-logreg-ndarray");
    for path in [folder.join("model.mlem"), folder.join("model"), folder.clone()] {
        let model = recognise(&path).unwrap_or_else(|error| panic!("{}", Report(&error)));
        assert_eq!(model.card.name.as_str(), "sklearn-logreg-ndarray", "{}", path.display());
        assert_eq!(model.card.entry, "model.pkl");
    }
}

#[test]
fn the_card_lists_what_the_bundle_holds() {
    for name in ["today/callable-int", "y2023/prepost-functions", "y2023/onnx-logreg"] {
        let model = recognise(&mlem(name)).unwrap();
        let bundle = tempfile::tempdir().unwrap();
        model.write_bundle(bundle.path()).unwrap();
        let card: wharf_spec::model::ModelCard =
            serde_json::from_slice(&fs::read(bundle.path().join("card.json")).unwrap()).unwrap();
        assert_eq!(card, model.card);
        for file in &card.files {
            let content = fs::read(bundle.path().join(&file.path)).unwrap();
            assert_eq!(file.size, content.len() as u64, "{}", file.path);
            assert_eq!(file.hash, Digest::blake3(&content), "{}", file.path);
        }
    }
}

#[test]
fn modules_of_the_user_come_out_of_the_file() {
    let model = recognise(&mlem("today/callable-int")).unwrap();
    let at = model.card.files.iter().position(|file| file.path == "code/usercode.py").unwrap();
    let FileSource::Bytes(source) = &model.sources[at] else { panic!("it is not from the file") };
    assert!(String::from_utf8_lossy(source).contains("def double(x):"));
}

#[test]
fn recognising_twice_gives_the_same_hash_at_any_path() {
    let folder = copy_of("today/sklearn-logreg-ndarray");
    let here = recognise(&mlem("today/sklearn-logreg-ndarray")).unwrap();
    let mut there = recognise(&folder.path().join("model.mlem")).unwrap();
    there.card.name = here.card.name.clone();
    assert_eq!(here.card.hash(), there.card.hash());
}

#[test]
fn the_script_that_saved_a_model_comes_along_only_where_the_pickle_needs_it() {
    let main_file = "code/_wharf_main.py";
    let folder = copy_of("today/callable-int");
    let card = folder.path().join("model.mlem");
    replace(&card, "name: usercode", "name: __main__");
    let model = recognise(&card).unwrap();
    assert!(!model.card.files.iter().any(|file| file.path == main_file));

    fs::write(folder.path().join("model"), b"\x80\x04\x8c\x08__main__\x8c\x06double\x93.").unwrap();
    replace(&card, "    hash: c621533682fd0eb7d0b9d65bd018b04a\n    size: 34\n", "");
    let model = recognise(&card).unwrap();
    assert!(model.card.files.iter().any(|file| file.path == main_file));
}
