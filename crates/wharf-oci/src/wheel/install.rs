//! What a wheel becomes in an image: files, commands and a right `RECORD`, as PEP 427 has it and pip does it.

use sha2::{Digest as _, Sha256};

use super::{
    contents::{Contents, written_hash},
    error::{Fault, Refusal},
    path,
    target::Target,
    text::{self, EntryPoint},
};
use crate::layer::Mode;

/// What `INSTALLER` says.
const INSTALLER: &[u8] = b"wharf\n";

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Without a leading `/`.
    pub(super) path: String,
    pub(super) mode: Mode,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// By its place among the wheel's members.
    Member(usize),
    Bytes(Vec<u8>),
}

/// Whether somebody asked for a package by its name, or only others need it (PEP 376, `REQUESTED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    ByName,
    ByOthers,
}

/// Returns all files of a wheel, in order of their paths.
pub(super) fn place(
    contents: &Contents,
    target: &Target,
    wanted: Wanted,
) -> Result<Vec<Placed>, Refusal> {
    let info = format!("{}/{}", target.site_packages, contents.dist_info);
    let record_path = format!("{info}/RECORD");
    let ours = ["RECORD", "INSTALLER", "REQUESTED"].map(|file| format!("{info}/{file}"));
    let mut placed = Vec::with_capacity(contents.members.len() + contents.commands.len() + 3);
    for at in 0..contents.members.len() {
        placed.extend(place_member(contents, at, target)?);
    }
    placed.retain(|one| !ours.contains(&one.path));
    placed.extend(contents.commands.iter().map(|command| Placed {
        path: format!("{}/{}", target.scripts, command.name),
        mode: Mode::Executable,
        content: Content::Bytes(script(command, &target.interpreter)),
    }));
    let plain = |file: &str, bytes: &[u8]| Placed {
        path: format!("{info}/{file}"),
        mode: Mode::Plain,
        content: Content::Bytes(bytes.to_vec()),
    };
    placed.push(plain("INSTALLER", INSTALLER));
    if wanted == Wanted::ByName {
        placed.push(plain("REQUESTED", b""));
    }
    let record = record(contents, &placed, &record_path, target);
    placed.push(plain("RECORD", record.as_bytes()));
    placed.sort_by(|one, other| one.path.cmp(&other.path));
    if let Some(twin) = placed.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(Fault::Twin.at(&twin[0].path));
    }
    Ok(placed)
}

/// Returns where a member goes; nowhere if it is a script of which a command of ours takes the place.
fn place_member(
    contents: &Contents,
    at: usize,
    target: &Target,
) -> Result<Option<Placed>, Refusal> {
    let member = &contents.members[at];
    let mut mode = if member.executable { Mode::Executable } else { Mode::Plain };
    let mut content = Content::Member(at);
    let (folder, file) = match contents.scheme(&member.name) {
        None => (target.site_packages.clone(), member.name.as_str()),
        Some((_, "")) => return Err(Fault::Name("is that of a folder for data").at(&member.name)),
        Some(("purelib" | "platlib", file)) => (target.site_packages.clone(), file),
        Some(("data", file)) => (target.data.clone(), file),
        Some(("headers", file)) => {
            (format!("{}/{}", target.headers, contents.name.distribution), file)
        }
        Some(("scripts", file)) => {
            if is_wrapper(file, &contents.commands) {
                return Ok(None);
            }
            mode = Mode::Executable;
            if let Some(rest) = contents.scripts.get(&at) {
                let line = format!("#!{}\n", target.interpreter);
                content = Content::Bytes([line.as_bytes(), rest].concat());
            }
            (target.scripts.clone(), file)
        }
        Some((other, _)) => {
            return Err(Fault::Scheme(other.escape_debug().to_string()).at(&member.name));
        }
    };
    Ok(Some(Placed { path: format!("{folder}/{file}"), mode, content }))
}

/// Returns whether setuptools made a script for a command: `flask`, `flask.exe`, `flask-script.py`.
fn is_wrapper(file: &str, commands: &[EntryPoint]) -> bool {
    let name = [".exe", "-script.py", "-script.pyw"]
        .iter()
        .find_map(|suffix| file.strip_suffix(suffix))
        .unwrap_or(file);
    commands.iter().any(|command| command.name == name)
}

/// Returns the program that runs a command.
fn script(command: &EntryPoint, interpreter: &str) -> Vec<u8> {
    let EntryPoint { module, function, .. } = command;
    let import = function.split('.').next().unwrap_or(function);
    format!(
        "#!{interpreter}\n\
        import sys\n\
        from {module} import {import}\n\
        if __name__ == \"__main__\":\n    \
            sys.exit({function}())\n"
    )
    .into_bytes()
}

/// Returns `RECORD`: a row for each file, itself too, without its own hash.
fn record(contents: &Contents, placed: &[Placed], own_path: &str, target: &Target) -> String {
    let mut rows: Vec<_> = placed
        .iter()
        .map(|one| {
            let (hash, size) = match &one.content {
                Content::Member(at) => (contents.hashes[*at].clone(), contents.members[*at].size),
                Content::Bytes(bytes) => {
                    (written_hash(Sha256::new_with_prefix(bytes)), bytes.len() as u64)
                }
            };
            (path::relative(&one.path, &target.site_packages), format!("{hash},{size}"))
        })
        .collect();
    rows.push((path::relative(own_path, &target.site_packages), ",".to_owned()));
    rows.sort();
    rows.iter().map(|(path, rest)| format!("{},{rest}\n", text::quoted(path))).collect()
}
