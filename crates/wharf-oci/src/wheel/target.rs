//! Where in an image its Python looks for packages.

/// The interpreter that wheels are installed for, and its folders (`sysconfig.get_paths()`); paths without a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Major and minor.
    pub python: (u16, u16),
    /// As wheels call it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// A folder that Python itself takes for one of packages (so that `.pth` files work): `purelib`, and `platlib` too.
    pub site_packages: String,
    pub scripts: String,
    pub headers: String,
    pub data: String,
    /// What scripts are run by, absolute.
    pub interpreter: String,
}

impl Target {
    /// Returns that of the official images `python:…`.
    pub fn official(major: u16, minor: u16, architecture: &str) -> Self {
        let python = format!("python{major}.{minor}");
        Self {
            python: (major, minor),
            architecture: architecture.to_owned(),
            site_packages: format!("usr/local/lib/{python}/site-packages"),
            scripts: "usr/local/bin".to_owned(),
            headers: format!("usr/local/include/{python}"),
            data: "usr/local".to_owned(),
            interpreter: format!("/usr/local/bin/{python}"),
        }
    }
}
