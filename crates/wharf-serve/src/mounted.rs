//! Files that are mounted into the container: whether they are what the card says, before a model is made of them.
//!
//! A file in the state in which wharf knew it is not read for that. In any other state it is read for its hash: it
//! may be another file, or the same one after a copy.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use wharf_spec::{
    digest::{Algorithm, Digest},
    model::CardFile,
    mounted::{MOUNTED_FILE, MOUNTED_SCHEMA, Mounted, MountedFile},
    stamp::Stamp,
};

use crate::{error::ServeError, runtime::Bundle};

/// Checks the mounted files of a bundle; one that is whole in its image has none.
pub(crate) fn check(bundle: &Bundle) -> Result<(), ServeError> {
    let path = bundle.folder.join(MOUNTED_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ServeError::Mounted { path, source: source.into() }),
    };
    let wrong = |why: String| ServeError::Mounted { path: path.clone(), source: why.into() };
    let mounted: Mounted =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if mounted.schema != MOUNTED_SCHEMA {
        return Err(wrong(format!("it is written in `{}`", mounted.schema)));
    }
    for file in &mounted.files {
        let of_card = bundle.card.files.iter().find(|of_card| of_card.path == file.path);
        let of_card = of_card.ok_or_else(|| wrong(format!("`{}` is no file of it", file.path)))?;
        let path = bundle.folder.join(&file.path);
        let failed = |source| ServeError::Mounted { path: path.clone(), source };
        if !is_as_deployed(&path, file, of_card).map_err(|error| failed(error.into()))? {
            return Err(failed("its content is no longer what was deployed".into()));
        }
    }
    Ok(())
}

fn is_as_deployed(path: &Path, file: &MountedFile, of_card: &CardFile) -> io::Result<bool> {
    let opened = File::open(path)?;
    let stamp = Stamp::of(&opened.metadata()?);
    if stamp.size != of_card.size {
        return Ok(false);
    }
    Ok(file.stamp == Some(stamp) || hash(&opened)? == of_card.hash)
}

fn hash(file: &File) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(Digest::new(Algorithm::Blake3, *hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use serde_json::json;
    use tempfile::TempDir;
    use wharf_spec::error::causes;

    use super::*;

    const CONTENT: &[u8] = b"weights";

    /// A bundle with one mounted file, which has the card's content.
    fn bundle(stamp: impl Fn(Stamp) -> Option<Stamp>) -> (TempDir, Bundle) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("weights.bin");
        fs::write(&path, CONTENT).unwrap();
        let stamp = stamp(Stamp::of(&fs::metadata(&path).unwrap()));
        let file = MountedFile { path: "weights.bin".to_owned(), stamp };
        let mounted = Mounted { schema: MOUNTED_SCHEMA.to_owned(), files: vec![file] };
        fs::write(folder.path().join(MOUNTED_FILE), serde_json::to_vec(&mounted).unwrap()).unwrap();
        let hash = Digest::blake3(CONTENT);
        let card = json!({
            "schema": "wharf.model/v1", "name": "m", "kind": "onnx", "runtime": "neural",
            "reason": "a test", "entry": "weights.bin", "methods": [],
            "files": [{ "path": "weights.bin", "size": CONTENT.len(), "hash": hash }],
        });
        let card = Arc::new(serde_json::from_value(card).unwrap());
        let bundle = Bundle { card, folder: folder.path().to_owned() };
        (folder, bundle)
    }

    fn why_not(bundle: &Bundle) -> String {
        let error = check(bundle).unwrap_err();
        format!("{error}: {}", causes(&error).join(": "))
    }

    #[test]
    fn a_bundle_that_is_whole_has_nothing_to_check() {
        let (folder, bundle) = bundle(Some);
        fs::remove_file(folder.path().join(MOUNTED_FILE)).unwrap();
        fs::write(folder.path().join("weights.bin"), "others").unwrap();
        check(&bundle).unwrap();
    }

    #[test]
    fn a_file_in_the_state_that_is_known_is_not_read() {
        let (folder, bundle) = bundle(Some);
        let path = folder.path().join("weights.bin");
        fs::write(&path, "WEIGHTS").unwrap();
        // Whoever says that this is the known state is believed.
        let stamp = Stamp::of(&fs::metadata(&path).unwrap());
        let file = MountedFile { path: "weights.bin".to_owned(), stamp: Some(stamp) };
        let mounted = Mounted { schema: MOUNTED_SCHEMA.to_owned(), files: vec![file] };
        fs::write(folder.path().join(MOUNTED_FILE), serde_json::to_vec(&mounted).unwrap()).unwrap();
        check(&bundle).unwrap();
    }

    #[test]
    fn the_same_content_in_another_state_is_read_and_taken() {
        let (folder, first) = bundle(Some);
        let file = File::options().write(true).open(folder.path().join("weights.bin")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        check(&first).unwrap();
        check(&bundle(|_| None).1).unwrap();
    }

    #[test]
    fn other_content_is_refused_whatever_its_size() {
        for content in ["WEIGHTS", "more weights", ""] {
            let (folder, bundle) = bundle(|_| None);
            fs::write(folder.path().join("weights.bin"), content).unwrap();
            let why = why_not(&bundle);
            assert!(why.ends_with("no longer what was deployed"), "{content}: {why}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        let (folder, first) = bundle(Some);
        fs::remove_file(folder.path().join("weights.bin")).unwrap();
        assert!(why_not(&first).contains("weights.bin"), "{}", why_not(&first));
        let (folder, second) = bundle(Some);
        fs::write(folder.path().join(MOUNTED_FILE), "{}").unwrap();
        assert!(why_not(&second).contains("mounted.json"), "{}", why_not(&second));
    }
}
