//! Names, and text files of people.

use wharf_spec::{
    digest::Digest, dockerignore::Ignore, mlem::ModelFile, project_file::ProjectFile,
    reference::Reference, yaml,
};

use crate::text;

/// A reference is shown as one that is shown the same way.
pub fn reference(input: &[u8]) {
    let Some(Ok(reference)) = text(input).map(str::parse::<Reference>) else { return };
    let shown = reference.to_string();
    let again = shown.parse::<Reference>().map(|reference| reference.to_string());
    assert_eq!(again, Ok(shown), "it is shown as another one");
}

/// A digest is read back from what it is shown as.
pub fn digest(input: &[u8]) {
    let Some(Ok(digest)) = text(input).map(str::parse::<Digest>) else { return };
    let again = digest.to_string().parse();
    assert_eq!(again.as_ref(), Ok(&digest), "it is shown as another one");
}

/// The rules of a `.dockerignore`, asked about paths of several depths. Its last line is one of the paths.
pub fn dockerignore(input: &[u8]) {
    let Some(text) = text(input) else { return };
    let Ok(ignore) = Ignore::parse(text) else { return };
    let last = text.lines().last().unwrap_or_default();
    for path in ["a", "a/b/c.txt", ".git/config", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", last] {
        ignore.excludes(path);
        ignore.may_bring_back_beneath(path);
    }
}

/// `wharf.yaml`.
pub fn project_file(input: &[u8]) {
    if let Some(text) = text(input) {
        yaml::read::<ProjectFile>("wharf.yaml", text).ok();
    }
}

/// The description beside a model that MLEM saved.
pub fn mlem_file(input: &[u8]) {
    if let Some(text) = text(input) {
        yaml::read::<ModelFile>("model.mlem", text).map(ModelFile::modernised).ok();
    }
}
