//! The base of an image that wharf assembles itself: found without an engine, and asked for its Python.

use serde_json::Value;
use wharf_oci::{
    image::{Base, Image},
    manifest::Platform as ImagePlatform,
    store::Which,
};
use wharf_spec::{codes, platform::Platform};

use super::{Inputs, foundation::Supplies, python, way::Pull};
use crate::{
    context::cancelled,
    error::{Error, Result},
    images::source::Source,
    python::target::{Libc, Python, Target},
};

/// The suites of Debian that official images have, and their glibc.
const SUITES: [(&str, u32); 3] = [("bullseye", 31), ("bookworm", 36), ("trixie", 41)];

/// What every official image of a Debian has at least.
const OLDEST_GLIBC: u32 = 28;

/// A base, and what wheels for it must fit.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) base: Base,
    pub(super) target: Target,
}

/// Finds the base: in a registry, a layout or an archive, where of its layers nothing is read; or in the engine.
pub(super) async fn find(inputs: &Inputs<'_>, supplies: &Supplies) -> Result<Ground> {
    let name = python::base_name(inputs, supplies.python_of_machine.as_deref());
    let source = name.parse::<Source>()?.below(&inputs.model.folder);
    let architecture = inputs.recipe.architecture();
    let os = "linux".to_owned();
    let wanted = ImagePlatform { os, architecture: architecture.to_owned(), variant: None };
    let which = Which::For(wanted.clone());
    let pull = inputs.recipe.way.pull;
    let found = Found::look(&source, &which, pull, supplies).await.map_err(|error| {
        Error::wrap(format!("there is no base image `{name}` to build upon"), error)
            .hint("name one of a registry, or a file, with `--base IMAGE`: `--base oci-archive:python.tar`")
    })?;
    let Found { image, is_of_registry } = found;
    check_platform(&name, &image, &wanted)?;
    let platform = match architecture {
        "arm64" => Platform::LinuxArm64,
        _ => Platform::LinuxAmd64,
    };
    let chosen = inputs.recipe.args.python_version.as_ref().map(|version| version.as_str());
    let facts = Facts::of(image.config());
    let python = facts.python(&name, chosen)?;
    let target = Target { python, platform, libc: facts.libc(&name) };
    // A path would make another image on another machine; and of the engine's nobody else knows the manifest.
    let name = is_of_registry.then_some(name);
    Ok(Ground { base: Base { image, name }, target })
}

/// A base that was found.
struct Found {
    image: Image,
    is_of_registry: bool,
}

impl Found {
    /// Looks where the source says. What a registry does not give may be in the engine: its layers are written to a file
    /// first, so the registry, of which no layer is needed yet, is asked before it.
    async fn look(source: &Source, which: &Which, pull: Pull, supplies: &Supplies) -> Result<Self> {
        let Source::Registry(reference) = source else {
            let image = source.image(which, &supplies.transfer).await?;
            return Ok(Self { image, is_of_registry: false });
        };
        if pull != Pull::Never {
            match source.image(which, &supplies.transfer).await {
                Ok(image) => return Ok(Self { image, is_of_registry: true }),
                Err(error) if !supplies.engine_has(reference).await => return Err(error),
                Err(_) if supplies.transfer.cancel.is_cancelled() => return Err(cancelled()),
                Err(_) => {}
            }
        }
        let image = supplies.take(reference).await?;
        Ok(Self { image, is_of_registry: false })
    }
}

/// A manifest that stands alone is for whatever it is for.
fn check_platform(name: &str, image: &Image, wanted: &ImagePlatform) -> Result<()> {
    let found = image.platform().map_err(super::native::assembling)?;
    if (&found.os, &found.architecture) == (&wanted.os, &wanted.architecture) {
        return Ok(());
    }
    let action =
        format!("the base image `{name}` is for {found}, and the image is to be for {wanted}");
    Err(Error::new(codes::NO_PLATFORM, action).hint("name another base, or another `--platform`"))
}

/// What a base's config says.
#[derive(Debug)]
struct Facts {
    /// `PYTHON_VERSION`, as official images have it.
    version: Option<String>,
    history: Vec<String>,
}

impl Facts {
    fn of(config: &[u8]) -> Self {
        let config: Value = serde_json::from_slice(config).unwrap_or_default();
        let texts = |list: &Value, key: Option<&str>| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            let text =
                |item: &Value| key.map_or(item, |key| &item[key]).as_str().map(str::to_owned);
            items.filter_map(text).collect()
        };
        let env = texts(&config["config"]["Env"], None);
        let version = env.iter().find_map(|pair| pair.strip_prefix("PYTHON_VERSION="));
        Self {
            version: version.map(str::to_owned),
            history: texts(&config["history"], Some("created_by")),
        }
    }

    /// Returns the version of the base's Python, which lies where official images have it.
    fn python(&self, name: &str, chosen: Option<&str>) -> Result<Python> {
        let Some(text) = self.version.as_deref().or(chosen) else {
            let action = format!(
                "the base image `{name}` does not say which Python it has (`PYTHON_VERSION`)"
            );
            return Err(Error::new(codes::NO_BASE, action)
                .hint("use an official one (`--base python:3.12-slim`), or say it: `--set args.python_version=3.12` for a Python in `/usr/local`"));
        };
        let python: Python = text.parse().map_err(|error| {
            Error::new(
                codes::NO_BASE,
                format!("the base image `{name}` has no Python that can be used"),
            )
            .because(error)
            .hint("name another base with `--base IMAGE`")
        })?;
        let differs = chosen.and_then(|chosen| chosen.parse::<Python>().ok());
        match differs.filter(|chosen| chosen.minor_text() != python.minor_text()) {
            None => Ok(python),
            Some(chosen) => {
                let (chosen, has) = (chosen.minor_text(), python.minor_text());
                let action = format!(
                    "`python_version` {chosen} cannot be honoured: the base image `{name}` has Python {has}"
                );
                Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                    .hint("name another base, or leave `python_version` out"))
            }
        }
    }

    /// Returns the C library, by what name and history tell of the system; else the oldest that is to be expected.
    fn libc(&self, name: &str) -> Libc {
        let says =
            |word: &str| name.contains(word) || self.history.iter().any(|line| line.contains(word));
        if says("alpine") {
            return Libc::Musl { minor: 2 };
        }
        let suite = SUITES.iter().find(|(suite, _)| says(suite));
        Libc::Glibc { minor: suite.map_or(OLDEST_GLIBC, |(_, minor)| *minor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: Option<&str>, made_by: &str) -> Facts {
        let env: Vec<_> = version.iter().map(|text| format!("PYTHON_VERSION={text}")).collect();
        let config = serde_json::json!({
            "config": {"Env": env}, "history": [{"created_by": made_by}, {"empty_layer": true}],
        });
        Facts::of(config.to_string().as_bytes())
    }

    #[test]
    fn the_base_says_which_python_it_has() {
        let python = |version, chosen| facts(version, "").python("x", chosen);
        assert_eq!(python(Some("3.11.9"), None).unwrap().to_string(), "3.11.9");
        assert_eq!(python(Some("3.11.9"), Some("3.11")).unwrap().to_string(), "3.11.9");
        assert_eq!(python(None, Some("3.12")).unwrap().minor_text(), "3.12");
        let said = |result: Result<Python>| result.unwrap_err().to_string();
        assert_eq!(
            said(python(Some("3.11.9"), Some("3.12"))),
            "`python_version` 3.12 cannot be honoured: the base image `x` has Python 3.11"
        );
        assert!(said(python(None, None)).contains("does not say which Python it has"));
        assert!(said(python(Some("2.7"), None)).contains("no Python that can be used"));
    }

    #[test]
    fn the_c_library_is_that_of_the_system() {
        let libc = |name, made_by| facts(None, made_by).libc(name).to_string();
        assert_eq!(libc("python:3.12-slim", "# debian.sh 'trixie' '@0'"), "glibc 2.41");
        assert_eq!(libc("python:3.12-slim-bookworm", ""), "glibc 2.36");
        assert_eq!(libc("python:3.12-alpine", ""), "musl 1.2");
        assert_eq!(libc("own:1", ""), "glibc 2.28");
    }
}
