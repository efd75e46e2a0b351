//! What MLEM recorded of a model's environment: packages, packages of the distribution, and the user's own modules.

use std::{collections::BTreeSet, path::Path};

use wharf_spec::{
    mlem::{Installable, ModelFile, Requirement},
    model::PythonNeeds,
};

use super::source;
use crate::{
    error::{ReadError, Result},
    kind::bundle::{Bundle, CODE},
    recognise::target::Target,
};

/// The file of a bundle that holds the script which saved the model. The worker runs it under this name, never as
/// a program, and only where the pickle looks something up in it.
const MAIN_FILE: &str = "code/_wharf_main.py";

/// Reads the requirements; the user's own modules go into the bundle.
pub(super) fn read(
    target: &Target,
    file: &ModelFile,
    needs_main: bool,
    bundle: &mut Bundle,
) -> Result<PythonNeeds> {
    let card = target.path.as_path();
    let mut needs = PythonNeeds::default();
    for requirement in &file.requirements {
        match requirement {
            Requirement::Installable(package) => add_package(card, package, &mut needs)?,
            Requirement::Unix(unix) => {
                let name = checked(card, &unix.package_name, "+.-")?;
                push_new(&mut needs.system_packages, name.to_owned());
            }
            Requirement::Custom(custom) if custom.name == "__main__" => {
                if needs_main {
                    let code = source::module(&custom.source64zip).map_err(|e| e.in_file(card))?;
                    bundle.add_bytes(MAIN_FILE, code);
                }
            }
            Requirement::Custom(custom) => {
                let files = source::files(custom).map_err(|error| error.in_file(card))?;
                for (path, content) in files {
                    bundle.add_bytes(&format!("{CODE}/{path}"), content);
                }
            }
            Requirement::File(own) => {
                let path = source::inside(&own.name).map_err(|error| error.in_file(card))?;
                let content = source::module(&own.source64zip).map_err(|e| e.in_file(card))?;
                bundle.add_bytes(&format!("{CODE}/{path}"), content);
            }
            Requirement::Conda(conda) => {
                let name = conda.package_name.as_deref().unwrap_or("a package");
                return Err(ReadError::Unsupported {
                    what: format!("it needs `{name}` from conda, which wharf does not install"),
                    hint: Some(
                        "record the package from PyPI instead, or write a `predict.py`".to_owned(),
                    ),
                }
                .in_file(card));
            }
        }
    }
    make_packages_importable(bundle);
    Ok(needs)
}

/// Adds what loads the pickles themselves, where MLEM took it for granted.
pub(super) fn add_loaders(needs: &mut PythonNeeds, imported: &BTreeSet<String>) {
    for package in ["dill", "cloudpickle"] {
        let is_listed = needs.requirements.iter().any(|line| {
            line.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        if imported.contains(package) && !is_listed {
            needs.requirements.push(package.to_owned());
        }
    }
}

fn add_package(card: &Path, package: &Installable, needs: &mut PythonNeeds) -> Result<()> {
    let name = package.package_name.as_deref().unwrap_or(&package.module);
    let name = checked(card, name, "._-[],")?;
    if let Some(index) = &package.extra_index {
        push_new(&mut needs.extra_indexes, checked_url(card, index)?.to_owned());
    }
    let line = match (&package.source_url, &package.vcs, &package.version) {
        (Some(url), Some(vcs), _) => {
            let (url, vcs) = (checked_url(card, url)?, checked(card, vcs, "")?);
            match &package.vcs_commit {
                Some(commit) => format!("{vcs}+{url}@{}", checked(card, commit, "._-/")?),
                None => format!("{vcs}+{url}"),
            }
        }
        (_, _, Some(version)) => format!("{name}=={}", checked(card, version, "._-+!*")?),
        (_, _, None) => name.to_owned(),
    };
    push_new(&mut needs.requirements, line);
    Ok(())
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Returns a word that becomes part of a line for pip or apt, which must not become two lines or an option.
fn checked<'a>(card: &Path, word: &'a str, also: &str) -> Result<&'a str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    let begins_well = word.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && word.len() <= 200 && word.chars().all(allowed) {
        return Ok(word);
    }
    let why = format!("its requirement `{}` has a form that no package has", word.escape_debug());
    Err(ReadError::corrupt(why).in_file(card))
}

fn checked_url<'a>(card: &Path, url: &'a str) -> Result<&'a str> {
    let is_plain = url.chars().all(|c| c.is_ascii_graphic() && !"\"'`\\$<>".contains(c));
    let is_known = ["https://", "http://", "ssh://", "git://"].iter().any(|s| url.starts_with(s));
    if is_plain && is_known && url.len() <= 2000 {
        return Ok(url);
    }
    let why = format!("its requirement comes from `{}`, which is no address", url.escape_debug());
    Err(ReadError::corrupt(why).in_file(card))
}

/// Gives every folder of modules an `__init__.py`, as MLEM does.
fn make_packages_importable(bundle: &mut Bundle) {
    let mut folders = BTreeSet::new();
    for path in bundle.paths().filter(|path| path.ends_with(".py")) {
        let inner = path.strip_prefix("code/").unwrap_or(path);
        for (at, _) in inner.match_indices('/') {
            folders.insert(format!("{CODE}/{}/__init__.py", &inner[..at]));
        }
    }
    for file in folders {
        if !bundle.has(&file) {
            bundle.add_bytes(&file, Vec::new());
        }
    }
}
