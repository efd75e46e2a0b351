//! `wharf.lock`: every package that a model's requirements lead to, with the wheels of each and their hashes.
//!
//! The file is a lock of PEP 751 (`pylock.toml`), so pip and uv read it too, with a table of ours that says what it
//! was made from. It is written in one way only, so that the same packages are the same bytes.

use std::{fmt::Write as _, ops::Range, path::Path};

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;
use wharf_spec::{codes, digest::Digest};

use super::{index::without_secrets, marker::Marker, tags::WheelName, target::Python};
use crate::error::Error;

/// The version of the form of our own table.
const VERSION: u32 = 1;

/// The largest file that is read, in bytes: a lock of two hundred packages has half a megabyte.
pub(super) const LARGEST: usize = 16 << 20;

/// The most packages of a lock.
const MOST_PACKAGES: usize = 10_000;

const HEAD: &str = "\
# What this model's requirements lead to, on every platform. Written by `wharf lock`, read by pip and uv as
# `pylock.toml` too. Keep it with the model; do not edit it.
";

/// The packages of a model, for all platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The digest of the requirements that it was made from; `None` in a lock that others made.
    pub inputs: Option<Digest>,
    /// The oldest Python that it is for.
    pub requires_python: Option<Python>,
    pub packages: Vec<Package>,
}

/// A version of a package, and what it can be installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Where it belongs; everywhere without one.
    pub marker: Option<Marker>,
    /// In the order of their names.
    pub wheels: Vec<Wheel>,
}

/// A wheel, and where it can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    pub name: WheelName,
    pub place: Place,
    pub size: Option<u64>,
    pub sha256: Digest,
}

/// Where a wheel can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address without credentials; `file:` too.
    Url(String),
    /// A file beside the lock, or in one of the folders that this machine's pip names (`find-links`).
    Path(String),
}

impl Lock {
    /// Reads the text of a lock.
    ///
    /// # Errors
    /// When it is none, or one of a later wharf; the error says in which line.
    pub fn parse(text: &str) -> Result<Self, ParseLockError> {
        if text.len() > LARGEST {
            return Err(ParseLockError::whole(format!("it is larger than {LARGEST} bytes")));
        }
        let document: Document = toml::from_str(text).map_err(|error| {
            let message = error.message().trim().replace('\n', ", ");
            ParseLockError::at(text, error.span().unwrap_or_default(), message)
        })?;
        document.check(text)?;
        let packages = document.packages.into_iter().map(|package| package.read(text));
        let ours = document.tool.and_then(|tool| tool.wharf);
        Ok(Self {
            inputs: ours.and_then(|ours| ours.inputs),
            requires_python: document.requires_python.as_deref().and_then(oldest),
            packages: packages.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the text of the file.
    pub fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line("lock-version = \"1.0\"");
        line("created-by = \"wharf\"");
        if let Some(python) = self.requires_python {
            line(&format!("requires-python = \">={}\"", python.minor_text()));
        }
        line(&format!("\n[tool.wharf]\nversion = {VERSION}"));
        if let Some(inputs) = self.inputs {
            line(&format!("inputs = \"{inputs}\""));
        }
        for package in &self.packages {
            line(&format!("\n[[packages]]\nname = {}", quoted(&package.name)));
            line(&format!("version = {}", quoted(&package.version)));
            if let Some(marker) = &package.marker {
                line(&format!("marker = {}", quoted(marker.as_str())));
            }
            line("wheels = [");
            package.wheels.iter().for_each(|wheel| line(&format!("    {},", wheel.render())));
            line("]");
        }
        text
    }

    /// Returns the digest of the file.
    pub fn digest(&self) -> Digest {
        Digest::blake3(self.render().as_bytes())
    }
}

impl Wheel {
    fn render(&self) -> String {
        let place = match &self.place {
            Place::Url(url) => format!("url = {}", quoted(url)),
            Place::Path(path) => format!("path = {}", quoted(path)),
        };
        let size = self.size.map(|size| format!(", size = {size}")).unwrap_or_default();
        let name = quoted(self.name.as_str());
        format!(
            "{{ name = {name}, {place}{size}, hashes = {{ sha256 = \"{}\" }} }}",
            self.sha256.hex()
        )
    }
}

/// Writes a string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(c)).expect("a string takes everything");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns the oldest Python of a specifier such as `>=3.11` or `>=3.11, <4`.
fn oldest(specifier: &str) -> Option<Python> {
    specifier.split(',').find_map(|one| one.trim().strip_prefix(">=")?.trim().parse().ok())
}

/// Why a text is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct ParseLockError {
    pub line: Option<usize>,
    pub message: String,
}

impl ParseLockError {
    fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line: Some(line), message: message.into() }
    }

    /// Returns the error about the file that holds it.
    pub(super) fn in_file(self, path: &Path) -> Error {
        Error::new(codes::LOCK_DAMAGED, format!("`{}` cannot be read as a lock", path.display()))
            .because(self)
            .hint("restore the file from your version control, or remove it and run `wharf lock MODEL`")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    lock_version: Spanned<String>,
    requires_python: Option<String>,
    #[serde(default)]
    packages: Vec<PackageDocument>,
    tool: Option<ToolDocument>,
}

#[derive(Deserialize)]
struct ToolDocument {
    wharf: Option<OwnDocument>,
}

#[derive(Deserialize)]
struct OwnDocument {
    version: Spanned<u32>,
    inputs: Option<Digest>,
}

#[derive(Deserialize)]
struct PackageDocument {
    name: Spanned<String>,
    version: Option<String>,
    marker: Option<Spanned<String>>,
    #[serde(default)]
    wheels: Vec<Spanned<WheelDocument>>,
    /// A requirement that names an address.
    archive: Option<Spanned<WheelDocument>>,
    vcs: Option<IgnoredAny>,
    directory: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WheelDocument {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    hashes: HashesDocument,
}

#[derive(Deserialize)]
struct HashesDocument {
    sha256: Option<String>,
}

impl Document {
    fn check(&self, text: &str) -> Result<(), ParseLockError> {
        let major = self.lock_version.get_ref().split('.').next();
        if major != Some("1") {
            let message =
                format!("its form is `{}`, and this wharf reads 1", self.lock_version.get_ref());
            return Err(ParseLockError::at(text, self.lock_version.span(), message));
        }
        let ours = self.tool.as_ref().and_then(|tool| tool.wharf.as_ref());
        if let Some(version) =
            ours.map(|ours| &ours.version).filter(|version| *version.get_ref() != VERSION)
        {
            let message = format!(
                "it is of version {} of wharf's form, and this wharf reads {VERSION}",
                version.get_ref()
            );
            return Err(ParseLockError::at(text, version.span(), message));
        }
        if self.packages.len() > MOST_PACKAGES {
            return Err(ParseLockError::whole(format!(
                "it has more than {MOST_PACKAGES} packages"
            )));
        }
        Ok(())
    }
}

impl PackageDocument {
    fn read(self, text: &str) -> Result<Package, ParseLockError> {
        let (name, span) = (self.name.get_ref().clone(), self.name.span());
        let failed = |message: String| ParseLockError::at(text, span.clone(), message);
        if !is_package_name(&name) {
            return Err(failed(
                "the name of a package has letters, digits, `-`, `_` and `.`".to_owned(),
            ));
        }
        if self.vcs.is_some() || self.directory.is_some() {
            return Err(failed(format!(
                "`{name}` comes from a repository or a folder of sources; only wheels can be locked"
            )));
        }
        let marker = self.marker.map(|marker| {
            let parsed = marker.get_ref().parse::<Marker>();
            parsed.map_err(|error| ParseLockError::at(text, marker.span(), error.to_string()))
        });
        let mut wheels = Vec::new();
        for wheel in self.wheels.into_iter().chain(self.archive) {
            let span = wheel.span();
            let wheel = wheel
                .into_inner()
                .read()
                .map_err(|message| ParseLockError::at(text, span, message))?;
            wheels.extend(Some(wheel).filter(|wheel| wheel.name.is_for_linux()));
        }
        wheels.sort_by(|a, b| a.name.cmp(&b.name));
        wheels.dedup_by(|a, b| a.name == b.name);
        let of_wheel = || wheels.first().map(|wheel| wheel.name.version().to_owned());
        let version = self.version.or_else(of_wheel).unwrap_or_default();
        Ok(Package { name, version, marker: marker.transpose()?, wheels })
    }
}

impl WheelDocument {
    fn read(self) -> Result<Wheel, String> {
        let place = match (self.url, self.path) {
            (Some(url), _) => Place::Url(without_secrets(&url)),
            (None, Some(path))
                if path.split('/').any(|part| part == "..") || path.starts_with('/') =>
            {
                return Err(format!("the path `{path}` leads out of the lock's folder"));
            }
            (None, Some(path)) => Place::Path(path),
            (None, None) => return Err("a wheel has neither `url` nor `path`".to_owned()),
        };
        let (Place::Url(whole) | Place::Path(whole)) = &place;
        let name = self.name.unwrap_or_else(|| {
            super::index::percent_decode(whole.rsplit('/').next().unwrap_or_default())
        });
        let name: WheelName = name.parse().map_err(|error| format!("{error}"))?;
        let sha256 = self.hashes.sha256.ok_or_else(|| format!("`{name}` has no sha256"))?;
        let sha256 =
            format!("sha256:{sha256}").parse().map_err(|error| format!("`{name}`: {error}"))?;
        Ok(Wheel { name, place, size: self.size, sha256 })
    }
}

fn is_package_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=200).contains(&name.len()) && name.chars().all(inside) && !name.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const UV: &str = r#"# This file was autogenerated by uv via the following command:
#    uv pip compile --universal r.txt
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11"

[[packages]]
name = "numpy"
version = "2.4.6"
marker = "python_full_version == '3.11.*'"
sdist = { url = "https://me:c4nary@h/numpy-2.4.6.tar.gz", hashes = { sha256 = "f3a3570c4a2a16746ac2c31a7c7c7b0c186b95ce902e33db6f28094ed7387dda" } }
wheels = [
    { url = "https://me:c4nary@h/numpy-2.4.6-cp311-cp311-win32.whl", hashes = { sha256 = "ddea102b48f9e339f3948bf22040944184627a30fdf7f858667673b9c5f033c8" } },
    { url = "https://me:c4nary@h/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", upload-time = 2026-05-18T23:33:29Z, size = 16918164, hashes = { sha256 = "89cd468399cfd2504718f0ba50e410dc89cd468399cfd2504718f0ba50e410dc" } },
]

[[packages]]
name = "beta"
archive = { url = "http://me:c4nary@h/beta-1.0-py3-none-any.whl", hashes = { sha256 = "ba45415f399cf727b4d4b8a512d73082e6e949deea5df46d4e209f8b8865750b" } }
"#;

    #[test]
    fn what_uv_writes_becomes_ours_without_secrets_and_stays_the_same() {
        let lock = Lock { inputs: Some(Digest::blake3(b"x")), ..Lock::parse(UV).unwrap() };
        let text = lock.render();
        insta::assert_snapshot!(text, @r#"
        # What this model's requirements lead to, on every platform. Written by `wharf lock`, read by pip and uv as
        # `pylock.toml` too. Keep it with the model; do not edit it.
        lock-version = "1.0"
        created-by = "wharf"
        requires-python = ">=3.11"

        [tool.wharf]
        version = 1
        inputs = "b3:3ae7d805f6789a6402acb70ad4096a85a56bf6804eaf25c0493ac697548d30b5"

        [[packages]]
        name = "numpy"
        version = "2.4.6"
        marker = "python_full_version == '3.11.*'"
        wheels = [
            { name = "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", url = "https://h/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", size = 16918164, hashes = { sha256 = "89cd468399cfd2504718f0ba50e410dc89cd468399cfd2504718f0ba50e410dc" } },
        ]

        [[packages]]
        name = "beta"
        version = "1.0"
        wheels = [
            { name = "beta-1.0-py3-none-any.whl", url = "http://h/beta-1.0-py3-none-any.whl", hashes = { sha256 = "ba45415f399cf727b4d4b8a512d73082e6e949deea5df46d4e209f8b8865750b" } },
        ]
        "#);
        assert!(!text.contains("c4nary"));
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        assert_eq!(Lock::parse(&text).unwrap().render(), text);
    }

    #[track_caller]
    fn refused(change: impl Fn(&str) -> String, expect: &str) {
        assert_eq!(Lock::parse(&change(UV)).unwrap_err().to_string(), expect);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        refused(
            |text| text.replace("\"1.0\"", "\"2.0\""),
            "line 3: its form is `2.0`, and this wharf reads 1",
        );
        refused(
            |text| text.replace("\"numpy\"", "\"../numpy\""),
            "line 8: the name of a package has letters, digits, `-`, `_` and `.`",
        );
        refused(
            |text| text.replace("== '3.11.*'", "= '3.11.*'"),
            "line 10: `python_full_version = '3.11.*'` is not an environment marker: `= '3.11.*'` is no comparison",
        );
        refused(
            |text| text.replace("89cd", "89c"),
            "line 14: `numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl`: `sha256:89c468399cfd2504718f0ba50e410dc89c468399cfd2504718f0ba50e410dc` is not a digest: write `sha256:` or `b3:` and 64 hex digits",
        );
        refused(
            |text| text.replace("numpy-2.4.6-cp311-cp311-man", "numpy-man"),
            "line 14: `numpy-manylinux_2_28_x86_64.whl` is not the file name of a wheel",
        );
        refused(
            |text| text.replace("archive = {", "vcs = {"),
            "line 18: `beta` comes from a repository or a folder of sources; only wheels can be locked",
        );
        refused(
            |text| format!("{text}[tool.wharf]\nversion = 7\n"),
            "line 21: it is of version 7 of wharf's form, and this wharf reads 1",
        );
        refused(
            |text| text.replace("url = \"http:", "path = \"../http:"),
            "line 19: the path `../http://me:c4nary@h/beta-1.0-py3-none-any.whl` leads out of the lock's folder",
        );
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let error = Lock::parse("lock-version = \"1.0\"\npackages = [\n").unwrap_err();
        assert!(error.line.is_some_and(|line| line >= 2), "{error}");
    }
}
