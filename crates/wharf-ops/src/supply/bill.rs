//! The bill of an image: every part that somebody else may have made, with its hash where one is known.

use wharf_model::recognise::Model;
use wharf_spec::digest::Digest;

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// What the image is of.
    pub name: String,
    pub components: Vec<Component>,
    /// The digest of how it was asked for.
    pub recipe: Digest,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    pub kind: ComponentKind,
    pub name: String,
    pub version: Option<String>,
    /// Where a package comes from (package-url).
    pub purl: Option<String>,
    pub hash: Option<Digest>,
    /// What else is known of it.
    pub properties: Vec<(&'static str, String)>,
    /// The files that it consists of.
    pub parts: Vec<Self>,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    Base,
    Server,
    Model,
    Package,
    File,
}

impl Component {
    /// Returns a part of which nothing more is known.
    pub fn new(kind: ComponentKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            version: None,
            purl: None,
            hash: None,
            properties: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Returns the base image.
    pub fn base(name: &str, digest: Option<Digest>) -> Self {
        Self { hash: digest, ..Self::new(ComponentKind::Base, name) }
    }

    /// Returns the server program.
    pub(crate) fn server(name: &str, hash: Digest) -> Self {
        let version = Some(super::VERSION.to_owned());
        Self { version, hash: Some(hash), ..Self::new(ComponentKind::Server, name) }
    }

    /// Returns a model with its files.
    pub(crate) fn model(model: &Model) -> Self {
        let card = &model.card;
        let files = card.files.iter().map(|file| Self {
            hash: Some(file.hash),
            properties: vec![("io.wharf.size", file.size.to_string())],
            ..Self::new(ComponentKind::File, &file.path)
        });
        Self {
            hash: Some(card.hash()),
            properties: vec![
                ("io.wharf.model.kind", card.kind.to_string()),
                ("io.wharf.model.runtime", card.runtime.to_string()),
                ("io.wharf.size", card.size().to_string()),
            ],
            parts: files.collect(),
            ..Self::new(ComponentKind::Model, card.name.as_str())
        }
    }

    /// Returns a package that was installed from a wheel.
    pub(crate) fn wheel(name: &str, version: &str, file: &str, sha256: Digest) -> Self {
        let name = canonical(name);
        Self {
            version: Some(version.to_owned()),
            purl: Some(format!("pkg:pypi/{name}@{version}")),
            hash: Some(sha256),
            properties: vec![("io.wharf.wheel", file.to_owned())],
            ..Self::new(ComponentKind::Package, name)
        }
    }

    /// Returns a package as a line of requirements names it: with a version only where the line allows just one.
    pub fn requirement(line: &str) -> Self {
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        let asked = vec![("io.wharf.requirement", line.to_owned())];
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || rest.contains('/') {
            return Self { properties: asked, ..Self::new(ComponentKind::Package, line) };
        }
        let constraint = rest.split(';').next().unwrap_or_default();
        let constraint = constraint.split(']').next_back().unwrap_or_default().trim();
        let exact = constraint.strip_prefix("==").map(str::trim);
        let version = exact.filter(|version| {
            !version.is_empty() && !version.contains(['*', ',', ' ', '=', '<', '>', '!', '~'])
        });
        let name = canonical(name);
        let purl = match version {
            Some(version) => format!("pkg:pypi/{name}@{version}"),
            None => format!("pkg:pypi/{name}"),
        };
        let version = version.map(str::to_owned);
        let new = Self::new(ComponentKind::Package, name);
        Self { version, purl: Some(purl), properties: asked, ..new }
    }
}

/// Returns the name of a package as indexes have it (PEP 503): `scikit_learn` is `scikit-learn`.
fn canonical(name: &str) -> String {
    let mut canonical = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if canonical.ends_with('-') => {}
            '-' | '_' | '.' => canonical.push('-'),
            c => canonical.push(c.to_ascii_lowercase()),
        }
    }
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, purl: Option<&str>) {
        let component = Component::requirement(line);
        assert_eq!(component.purl.as_deref(), purl, "{line}");
        assert_eq!(component.properties, [("io.wharf.requirement", line.to_owned())]);
    }

    #[test]
    fn only_an_exact_version_is_one() {
        check("scikit_learn==1.3.2", Some("pkg:pypi/scikit-learn@1.3.2"));
        check("Flask [async] == 3.0 ; python_version > '3'", Some("pkg:pypi/flask@3.0"));
        check("numpy", Some("pkg:pypi/numpy"));
        check("numpy>=1,<2", Some("pkg:pypi/numpy"));
        check("numpy==1.*", Some("pkg:pypi/numpy"));
    }

    #[test]
    fn what_no_index_names_keeps_its_line() {
        check("https://host.example/x.whl", None);
        check("pkg @ https://host.example/pkg.whl", None);
        check("./wheels/x.whl", None);
        check("--find-links x", None);
    }
}
