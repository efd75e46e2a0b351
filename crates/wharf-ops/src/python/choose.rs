//! A lock and a target → the one wheel of each package that belongs there.

use wharf_spec::codes;

use super::{
    lock::{Lock, Package, Wheel},
    target::Target,
};
use crate::error::{Error, Result};

/// How many tags of wheels that do not fit are shown.
const SHOWN: usize = 5;

/// A wheel that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<'a> {
    pub package: &'a Package,
    pub wheel: &'a Wheel,
}

impl Lock {
    /// Returns the best wheel of every package that belongs to a target, in the order of the lock.
    ///
    /// # Errors
    /// `LOCK_MISFIT` when the lock is for newer Pythons, `NO_WHEEL` when a package has no wheel for the target.
    pub fn choose(&self, target: &Target) -> Result<Vec<Chosen<'_>>> {
        if let Some(oldest) = self.requires_python
            && !target.python.is_at_least(oldest)
        {
            let (oldest, python) = (oldest.minor_text(), target.python.minor_text());
            let action = format!(
                "`wharf.lock` is for Python {oldest} and newer, and this is Python {python}"
            );
            let hint = format!("lock again: `wharf lock MODEL --python-version {python}`");
            return Err(Error::new(codes::LOCK_MISFIT, action).hint(hint));
        }
        let belongs =
            |package: &&Package| package.marker.as_ref().is_none_or(|marker| marker.holds(target));
        let mut chosen: Vec<Chosen<'_>> = Vec::new();
        for package in self.packages.iter().filter(belongs) {
            if let Some(other) = chosen.iter().find(|one| one.package.name == package.name) {
                let versions =
                    [&other.package.version, &package.version].map(String::as_str).join("` and `");
                let action = format!(
                    "`wharf.lock` has `{}` twice for one target: `{versions}`",
                    package.name
                );
                return Err(Error::new(codes::LOCK_DAMAGED, action)
                    .hint("lock again: `wharf lock MODEL --upgrade`"));
            }
            let wheel = best(package, target).ok_or_else(|| no_wheel(package, target))?;
            chosen.push(Chosen { package, wheel });
        }
        Ok(chosen)
    }
}

fn best<'a>(package: &'a Package, target: &Target) -> Option<&'a Wheel> {
    let fits = package.wheels.iter().filter_map(|wheel| Some((wheel.name.fit(target)?, wheel)));
    let best = fits.min_by(|(a_fit, a), (b_fit, b)| {
        a_fit
            .cmp(b_fit)
            .then_with(|| b.name.build().cmp(&a.name.build()))
            .then_with(|| a.name.cmp(&b.name))
    });
    best.map(|(_, wheel)| wheel)
}

fn no_wheel(package: &Package, target: &Target) -> Error {
    let Package { name, version, wheels, .. } = package;
    let action = format!("`{name}` {version} has no wheel for {target}");
    let mut tags: Vec<_> =
        wheels.iter().take(SHOWN).map(|wheel| format!("  | {}", wheel.name.tags())).collect();
    if wheels.len() > SHOWN {
        tags.push(format!("  | and {} more", wheels.len() - SHOWN));
    }
    let python = target.python.minor_text().replace('.', "");
    let error = if tags.is_empty() {
        Error::new(codes::NO_WHEEL, action)
    } else {
        Error::new(codes::NO_WHEEL, action)
            .with_excerpt(format!("  | there are wheels for\n{}", tags.join("\n")))
    };
    error
        .hint(format!(
            "require a version of `{name}` that has one tagged `cp{python}` and `{}`, or pick another Python",
            target.machine()
        ))
        .hint(format!("or make one: `pip wheel --no-deps {name}=={version} -w wheels`, and name the folder in PIP_FIND_LINKS"))
}

#[cfg(test)]
mod tests {
    use wharf_spec::{
        digest::{Algorithm, Digest},
        error::{Explain as _, Report},
        platform::Platform,
    };

    use super::*;
    use crate::python::{lock::Place, target::Libc};

    fn package(name: &str, marker: Option<&str>, tags: &[&str]) -> Package {
        let wheel = |tags: &&str| Wheel {
            name: format!("{name}-1.0-{tags}.whl").parse().unwrap(),
            place: Place::Path("x".into()),
            size: None,
            sha256: Digest::new(Algorithm::Sha256, [1; 32]),
        };
        Package {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            marker: marker.map(|marker| marker.parse().unwrap()),
            wheels: tags.iter().map(wheel).collect(),
        }
    }

    fn lock(packages: Vec<Package>) -> Lock {
        Lock { inputs: None, requires_python: Some("3.11".parse().unwrap()), packages }
    }

    fn target() -> Target {
        Target {
            python: "3.11.7".parse().unwrap(),
            platform: Platform::LinuxArm64,
            libc: Libc::Glibc { minor: 31 },
        }
    }

    #[test]
    fn each_package_that_belongs_there_has_its_best_wheel() {
        let lock = lock(vec![
            package("a", None, &["py3-none-any", "cp311-cp311-manylinux2014_aarch64"]),
            package("b", Some("sys_platform == 'win32'"), &[]),
            package("c", None, &["1-py3-none-any", "2-py3-none-any", "10-py3-none-any"]),
        ]);
        let chosen = lock.choose(&target()).unwrap();
        let names: Vec<_> = chosen.iter().map(|one| one.wheel.name.as_str()).collect();
        assert_eq!(
            names,
            ["a-1.0-cp311-cp311-manylinux2014_aarch64.whl", "c-1.0-10-py3-none-any.whl"]
        );
    }

    #[test]
    fn a_package_without_a_wheel_names_the_way_out() {
        let lock = lock(vec![package(
            "nat",
            None,
            &["cp311-cp311-manylinux_2_35_aarch64", "cp312-cp312-musllinux_1_2_x86_64"],
        )]);
        let error = lock.choose(&target()).unwrap_err();
        insta::assert_snapshot!(Report(&error), @r"
        error[W0420]: `nat` 1.0 has no wheel for Python 3.11 on linux/arm64 with glibc 2.31
          | there are wheels for
          | cp311-cp311-manylinux_2_35_aarch64
          | cp312-cp312-musllinux_1_2_x86_64

        hint: require a version of `nat` that has one tagged `cp311` and `aarch64`, or pick another Python
        hint: or make one: `pip wheel --no-deps nat==1.0 -w wheels`, and name the folder in PIP_FIND_LINKS
        ");
    }

    #[test]
    fn a_python_that_is_too_old_and_a_package_twice_are_refused() {
        let older = Target { python: "3.10".parse().unwrap(), ..target() };
        let code = |lock: &Lock, target| lock.choose(target).unwrap_err().code();
        assert_eq!(code(&lock(vec![]), &older), codes::LOCK_MISFIT);
        let twice = lock(vec![
            package("a", None, &["py3-none-any"]),
            package("a", None, &["py3-none-any"]),
        ]);
        assert_eq!(code(&twice, &target()), codes::LOCK_DAMAGED);
    }
}
