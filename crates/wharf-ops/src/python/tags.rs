//! Names of wheels, and how well one fits a target: the tags of PEP 425 with manylinux (PEP 600) and musllinux (PEP 656).

use std::{fmt, str::FromStr};

use super::target::{Libc, Target};

/// The parts of a wheel's file name, `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`, each tag maybe several with dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WheelName {
    text: String,
}

impl WheelName {
    /// Returns the whole file name; it has no character that means something in a path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the version as the name has it.
    pub fn version(&self) -> &str {
        self.stem().split('-').nth(1).unwrap_or_default()
    }

    /// Returns the tags as the name has them: `cp311-cp311-manylinux_2_28_x86_64`.
    pub fn tags(&self) -> &str {
        let stem = self.stem();
        let start = stem.rmatch_indices('-').nth(2).map_or(0, |(at, _)| at + 1);
        &stem[start..]
    }

    /// Says whether its code could run on Linux at all.
    pub fn is_for_linux(&self) -> bool {
        let platforms = self.tags().rsplit('-').next().unwrap_or_default();
        platforms.split('.').any(|platform| platform == "any" || platform.contains("linux"))
    }

    /// Returns how well it fits; the least is the best, `None` does not fit.
    pub fn fit(&self, target: &Target) -> Option<Fit> {
        let mut parts = self.tags().split('-').map(|tag| tag.split('.'));
        let (pythons, abis, platforms) = (parts.next()?, parts.next()?, parts.next()?);
        let mut best = None;
        for python in pythons {
            for abi in abis.clone() {
                for platform in platforms.clone() {
                    let fit = fit(python, abi, platform, target);
                    best = [best, fit].into_iter().flatten().min();
                }
            }
        }
        best
    }

    /// Returns the build number, which decides between wheels that fit equally well; none is the least.
    pub fn build(&self) -> (u64, &str) {
        let parts: Vec<_> = self.stem().split('-').collect();
        if parts.len() != 6 {
            return (0, "");
        }
        let digits = parts[2].find(|c: char| !c.is_ascii_digit()).unwrap_or(parts[2].len());
        (parts[2][..digits].parse().unwrap_or(u64::MAX), &parts[2][digits..])
    }

    fn stem(&self) -> &str {
        self.text.strip_suffix(".whl").unwrap_or(&self.text)
    }
}

/// Why a text is no name of a wheel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the file name of a wheel")]
pub struct ParseWheelNameError {
    text: String,
}

impl FromStr for WheelName {
    type Err = ParseWheelNameError;

    fn from_str(text: &str) -> Result<Self, ParseWheelNameError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
        let parts = text.strip_suffix(".whl").map(|stem| stem.split('-').collect::<Vec<_>>());
        let is_name = text.len() <= 255
            && text.chars().all(plain)
            && parts.is_some_and(|parts| {
                matches!(parts.len(), 5 | 6)
                    && parts.iter().all(|part| {
                        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                    })
            });
        if is_name {
            Ok(Self { text: text.to_owned() })
        } else {
            Err(ParseWheelNameError { text: text.chars().take(300).collect() })
        }
    }
}

impl fmt::Display for WheelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How well a wheel fits, in the order in which installers prefer: made for this very Python before the stable ABI
/// before plain Python, and a newer platform before an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fit {
    class: Class,
    python: u32,
    platform: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    OwnAbi,
    StableAbi,
    OwnPython,
    OlderStableAbi,
    AnyPython,
    OwnPythonAnywhere,
    AnyPythonAnywhere,
}

fn fit(python: &str, abi: &str, platform: &str, target: &Target) -> Option<Fit> {
    let own = target.python.minor;
    let platform = if platform == "any" { None } else { Some(platform_age(platform, target)?) };
    let cpython = python.strip_prefix("cp3").and_then(|minor| minor.parse::<u32>().ok());
    let (class, age) = match (cpython, abi, platform) {
        (Some(minor), "none", Some(_)) if minor == own => (Class::OwnPython, 0),
        (Some(minor), "none", None) if minor == own => (Class::OwnPythonAnywhere, 0),
        (Some(minor), "abi3", Some(_)) if minor == own => (Class::StableAbi, 0),
        (Some(minor), "abi3", Some(_)) if (2..own).contains(&minor) => {
            (Class::OlderStableAbi, own - minor)
        }
        (Some(minor), abi, Some(_)) if minor == own && abi == python => (Class::OwnAbi, 0),
        (None, "none", Some(_)) => (Class::AnyPython, any_python(python, own)?),
        (None, "none", None) => (Class::AnyPythonAnywhere, any_python(python, own)?),
        _ => return None,
    };
    Some(Fit { class, python: age, platform: platform.unwrap_or_default() })
}

/// Returns the place among `py311`, `py3`, `py310`, `py39` and so on.
fn any_python(python: &str, own: u32) -> Option<u32> {
    let minor = python.strip_prefix("py3")?;
    if minor.is_empty() {
        return Some(1);
    }
    let minor: u32 = minor.parse().ok()?;
    match own.checked_sub(minor)? {
        0 => Some(0),
        older => Some(older + 1),
    }
}

/// Returns how much older than the target's a platform is, if the target runs its programs.
fn platform_age(platform: &str, target: &Target) -> Option<u32> {
    /// After every tag with a version.
    const PLAIN: u32 = u32::MAX;
    let rest = platform.strip_suffix(target.machine())?.strip_suffix('_')?;
    if rest == "linux" {
        return Some(PLAIN);
    }
    match target.libc {
        Libc::Glibc { minor } => {
            let asked = match rest {
                "manylinux2014" => 17,
                "manylinux2010" => 12,
                "manylinux1" => 5,
                other => other.strip_prefix("manylinux_2_")?.parse().ok()?,
            };
            minor.checked_sub(asked)
        }
        Libc::Musl { minor } => minor.checked_sub(rest.strip_prefix("musllinux_1_")?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use wharf_spec::platform::Platform;

    use super::*;

    fn target(platform: Platform, libc: Libc) -> Target {
        Target { python: "3.11".parse().unwrap(), platform, libc }
    }

    /// Sorts tags by how well they fit; those that do not fit are left out.
    fn check(target: Target, tags: &[&str], expect: &[&str]) {
        let named =
            tags.iter().map(|tags| (tags, format!("x-1-{tags}.whl").parse::<WheelName>().unwrap()));
        let mut fits: Vec<_> =
            named.filter_map(|(tags, name)| Some((name.fit(&target)?, *tags))).collect();
        fits.sort();
        let order: Vec<_> = fits.into_iter().map(|(_, tags)| tags).collect();
        assert_eq!(order, expect);
    }

    #[test]
    fn what_is_made_for_this_python_comes_first() {
        let order = [
            "cp311-cp311-manylinux_2_28_x86_64",
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp311-cp311-manylinux1_x86_64",
            "cp311-cp311-linux_x86_64",
            "cp311-abi3-manylinux2014_x86_64",
            "cp311-none-manylinux2014_x86_64",
            "cp39-abi3-manylinux2014_x86_64",
            "cp37-abi3-manylinux_2_28_x86_64",
            "py3-none-manylinux2014_x86_64",
            "py311-none-any",
            "py2.py3-none-any",
            "py38-none-any",
        ];
        let mut tags = order;
        tags.reverse();
        check(target(Platform::LinuxAmd64, Libc::Glibc { minor: 36 }), &tags, &order);
    }

    #[test]
    fn what_needs_another_machine_python_or_newer_library_does_not_fit() {
        let none = [
            "cp311-cp311-manylinux_2_39_x86_64",
            "cp311-cp311-manylinux_2_28_aarch64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp312-cp312-manylinux2014_x86_64",
            "cp313-abi3-manylinux2014_x86_64",
            "cp311-cp311t-manylinux2014_x86_64",
            "cp310-cp310-manylinux2014_x86_64",
            "cp311-cp311-macosx_11_0_arm64",
            "py312-none-any",
            "pp311-pypy311_pp73-manylinux2014_x86_64",
            "py2-none-any",
        ];
        check(target(Platform::LinuxAmd64, Libc::Glibc { minor: 36 }), &none, &[]);
    }

    #[test]
    fn musl_and_arm_have_their_own() {
        let tags = [
            "cp311-cp311-musllinux_1_1_aarch64",
            "cp311-cp311-musllinux_1_2_aarch64",
            "cp311-cp311-musllinux_1_3_aarch64",
            "cp311-cp311-manylinux2014_aarch64",
        ];
        let musl = target(Platform::LinuxArm64, Libc::Musl { minor: 2 });
        check(
            musl,
            &tags,
            &["cp311-cp311-musllinux_1_2_aarch64", "cp311-cp311-musllinux_1_1_aarch64"],
        );
    }

    #[test]
    fn names_have_their_parts_and_nothing_that_means_something_in_a_path() {
        let name: WheelName = "my_lib-1.0+cpu-2b-cp311-cp311-linux_x86_64.whl".parse().unwrap();
        assert_eq!((name.version(), name.tags()), ("1.0+cpu", "cp311-cp311-linux_x86_64"));
        assert_eq!(name.build(), (2, "b"));
        for wrong in [
            "x.whl",
            "../x-1-py3-none-any.whl",
            "x-1-py3-none-any.zip",
            "x-1--none-any.whl",
            "é-1-py3-none-any.whl",
        ] {
            assert!(wrong.parse::<WheelName>().is_err(), "{wrong}");
        }
    }
}
