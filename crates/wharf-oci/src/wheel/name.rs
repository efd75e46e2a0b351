//! File names of wheels: `numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.whl` (binary distribution format, PEP 427 and 425).

use super::{error::Fault, target::Target};

/// What a wheel's file name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// As written.
    pub distribution: String,
    pub version: String,
    pythons: Vec<String>,
    abis: Vec<String>,
    platforms: Vec<String>,
}

impl WheelName {
    /// Reads a file name.
    pub(super) fn parse(file_name: &str) -> Result<Self, Fault> {
        let stem = file_name.strip_suffix(".whl").ok_or(Fault::FileName("it ends with `.whl`"))?;
        let parts: Vec<_> = stem.split('-').collect();
        let (distribution, version, tags) = match parts[..] {
            [distribution, version, python, abi, platform] => {
                (distribution, version, [python, abi, platform])
            }
            [distribution, version, build, python, abi, platform] => {
                if !build.starts_with(|first: char| first.is_ascii_digit()) {
                    return Err(Fault::FileName("a build number begins with a digit"));
                }
                (distribution, version, [python, abi, platform])
            }
            _ => return Err(Fault::FileName("it has five or six parts with `-` between them")),
        };
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
        };
        if !plain(distribution, "_.")
            || !plain(version, "_.+!")
            || !tags.iter().all(|tag| plain(tag, "_."))
        {
            return Err(Fault::FileName("its parts are letters, digits, `_`, `.`, `+` and `!`"));
        }
        let [pythons, abis, platforms] =
            tags.map(|tag| tag.split('.').map(str::to_owned).collect());
        Ok(Self {
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            pythons,
            abis,
            platforms,
        })
    }

    /// Returns the name by which packages are compared: `scikit-learn` for `Scikit_Learn`.
    pub fn package(&self) -> String {
        normal(&self.distribution)
    }

    /// Returns whether CPython of the target takes it. Which C library the target has is not looked at: whoever chose the
    /// wheel knew it.
    pub fn fits(&self, target: &Target) -> bool {
        self.pythons.iter().any(|python| self.abis.iter().any(|abi| fits(python, abi, target)))
            && self.platforms.iter().any(|platform| runs_on(platform, &target.architecture))
    }
}

fn fits(python: &str, abi: &str, target: &Target) -> bool {
    let (major, minor) = target.python;
    let exact = format!("cp{major}{minor}");
    // `3` of `py3`, or `3` and `7` of `py37`.
    let up_to = |prefix: &str| {
        let digits = python.strip_prefix(prefix)?.strip_prefix(&major.to_string())?;
        if digits.is_empty() { Some(0) } else { digits.parse::<u16>().ok() }
    };
    match abi {
        "none" => python == exact || up_to("py").is_some_and(|least| least <= minor),
        "abi3" => up_to("cp").is_some_and(|least| least <= minor),
        abi => python == exact && abi == exact,
    }
}

fn runs_on(platform: &str, architecture: &str) -> bool {
    let linux = ["linux_", "manylinux", "musllinux"];
    platform == "any"
        || linux.iter().any(|prefix| platform.starts_with(prefix))
            && platform.strip_suffix(architecture).is_some_and(|rest| rest.ends_with('_'))
}

/// PEP 503's normal form.
pub(super) fn normal(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_compared() {
        let name = WheelName::parse("Flask_Sock-0.7.0+cpu-1-py2.py3-none-any.whl").unwrap();
        assert_eq!((name.package().as_str(), name.version.as_str()), ("flask-sock", "0.7.0+cpu"));
        for bad in
            ["x.zip", "a-1-py3-none.whl", "a-1-x-py3-none-any.whl", "../a-1-py3-none-any.whl"]
        {
            assert!(WheelName::parse(bad).is_err(), "{bad} passed");
        }
    }

    #[test]
    fn tags_are_those_of_the_target() {
        let target = Target::official(3, 11, "x86_64");
        let check =
            |tags: &str| WheelName::parse(&format!("a-1-{tags}.whl")).unwrap().fits(&target);
        for good in [
            "py3-none-any",
            "py2.py3-none-any",
            "py39-none-any",
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp38-abi3-manylinux1_x86_64",
            "py3-none-linux_x86_64",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "py2-none-any",
            "py312-none-any",
            "cp310-cp310-manylinux2014_x86_64",
            "cp311-cp311-manylinux2014_aarch64",
            "cp311-cp311-win_amd64",
            "cp312-abi3-linux_x86_64",
            "cp313-cp313t-linux_x86_64",
            "cp311-cp311-macosx_11_0_x86_64",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }
}
