//! A folder that any `docker build`, podman or buildah turns into the same working server: MLEM's `docker_dir`.

use std::{fs::File, io::Read, path::Path};

use wharf_oci::layer::{Content, Entry, Mode};
use wharf_spec::{codes, model::PythonNeeds, reference::Reference};

use super::{
    BUNDLE_PATH, Inputs, SERVER_PATH, SERVER_PORT, USER,
    dockerfile::{Dockerfile, health_check},
    model_labels, native, output, python,
    template::{self, Values},
};
use crate::error::{Error, Result};

/// How packages are installed by a Dockerfile.
const PIP_INSTALL: &str =
    "python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore";

/// Returns the files of the folder, sorted by path.
pub(super) fn entries(inputs: &Inputs<'_>, python_of_machine: Option<&str>) -> Result<Vec<Entry>> {
    let mut entries = native::bundle_entries(inputs.model);
    entries.push(native::server_entry(&inputs.program)?);
    if inputs.model.card.runtime.is_native() {
        entries.push(text("Dockerfile", native_dockerfile(inputs)));
    } else {
        entries.extend(python_entries(inputs, python_of_machine)?);
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn native_dockerfile(inputs: &Inputs<'_>) -> String {
    Dockerfile {
        from: "scratch",
        platform: inputs.recipe.args.platform,
        env: &inputs.recipe.env,
        labels: &model_labels(inputs.model),
    }
    .render()
}

/// Returns what a folder holds for a model that runs Python.
fn python_entries(inputs: &Inputs<'_>, python_of_machine: Option<&str>) -> Result<Vec<Entry>> {
    let needs = python::needs(inputs.model);
    let wheel = inputs.recipe.wheel().map(wheel).transpose()?;
    let dockerfile = python_dockerfile(inputs, python_of_machine, &needs, wheel.as_ref())?;
    let mut entries =
        vec![text("Dockerfile", dockerfile), text("run.sh", format!("exec {SERVER_PATH} serve\n"))];
    // A template of somebody else's copies it whether it says something or not.
    if !needs.requirements.is_empty() || !inputs.recipe.templates().is_empty() {
        entries.push(text("requirements.txt", requirements(&needs)?));
    }
    entries.extend(wheel);
    Ok(entries)
}

fn python_dockerfile(
    inputs: &Inputs<'_>,
    python_of_machine: Option<&str>,
    needs: &PythonNeeds,
    wheel: Option<&Entry>,
) -> Result<String> {
    let recipe = inputs.recipe;
    let base_image = python::base_name(inputs, python_of_machine);
    // It must be one word of one line.
    base_image.parse::<Reference>()?;
    let packages = packages(needs)?;
    let mlem_install =
        wheel.map(|Entry { path, .. }| format!("COPY {path} ./\nRUN {PIP_INSTALL} ./{path}"));
    let platform = recipe.args.platform.map(|platform| platform.to_string());
    let values = Values {
        base_image: &base_image,
        python_version: &python::version(inputs, python_of_machine),
        run_cmd: recipe.args.run_cmd.as_deref(),
        mlem_install: mlem_install.as_deref().unwrap_or_default(),
        package_install_cmd: &recipe.args.package_install_cmd,
        package_clean_cmd: &recipe.args.package_clean_cmd,
        packages: &packages,
        env: &recipe.env,
        arg: &recipe.build_args,
        platform: platform.as_deref(),
        labels: &model_labels(inputs.model),
        requirements: &needs.requirements,
        pip_install: PIP_INSTALL,
        bundle_path: BUNDLE_PATH,
        server_path: SERVER_PATH,
        user: USER,
        port: SERVER_PORT,
        healthcheck: &health_check(),
    };
    template::render(&recipe.templates(), &values)
}

/// Returns the system packages: what the model names, and what its requirements come by.
fn packages(needs: &PythonNeeds) -> Result<Vec<String>> {
    let mut packages = needs.system_packages.clone();
    if needs.requirements.iter().any(|line| line.contains("git+")) {
        packages.insert(0, "git".to_owned());
    }
    match packages.iter().find(|name| !is_package(name)) {
        Some(name) => {
            let action = format!("`{name}` is not the name of a system package");
            Err(Error::new(codes::REQUIREMENTS, action)
                .hint("correct it in the model's description"))
        }
        None => Ok(packages),
    }
}

/// Returns a wheel that goes into the folder under its own name, which says what it is for.
fn wheel(path: &Path) -> Result<Entry> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-!".contains(&byte);
    if !name.bytes().all(byte) || name.starts_with('-') {
        let action = format!("`mlem_whl`: `{}` has no name that wheels have", path.display());
        return Err(Error::new(codes::FLAGS, action)
            .hint("keep the name that it was built with: `NAME-VERSION-py3-none-any.whl`"));
    }
    let meta = std::fs::metadata(path).map_err(|source| Error::file("read", path, source))?;
    let content = Content::File { path: path.to_owned(), size: meta.len() };
    Ok(Entry { path: name.to_owned(), mode: Mode::Plain, content })
}

/// Says whether a text is a package's name, perhaps with a version: it stands in a line of a shell.
fn is_package(name: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.=:~".contains(&byte);
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(byte)
}

fn requirements(needs: &PythonNeeds) -> Result<String> {
    let is_line = |line: &String| !line.starts_with('-') && !line.contains(['\n', '\r']);
    if let Some(line) = needs.requirements.iter().find(|line| !is_line(line)) {
        return Err(Error::new(codes::REQUIREMENTS, format!("`{line}` is not a requirement"))
            .hint("write one package in each line; options of pip belong to its own settings"));
    }
    let indexes = needs.extra_indexes.iter().map(|index| format!("--extra-index-url {index}\n"));
    let lines = needs.requirements.iter().map(|line| format!("{line}\n"));
    Ok(indexes.chain(lines).collect())
}

fn text(path: &str, text: String) -> Entry {
    Entry { path: path.to_owned(), mode: Mode::Plain, content: Content::Bytes(text.into_bytes()) }
}

/// Writes the files below a folder.
pub(super) fn write(entries: &[Entry], folder: &Path) -> Result<()> {
    for entry in entries {
        let target = folder.join(&entry.path);
        let failed = |error| Error::file("write", &target, error);
        let parent = target.parent().expect("every file lies in the folder");
        output::make_folders(folder, parent).map_err(failed)?;
        let bits = match entry.mode {
            Mode::Plain => 0o644,
            Mode::Executable => 0o755,
        };
        match &entry.content {
            Content::Bytes(bytes) => {
                output::write_file(&target, &mut bytes.as_slice(), bits).map_err(failed)?;
            }
            Content::File { path, size } => {
                let file = File::open(path).map_err(|error| Error::file("read", path, error))?;
                // A byte more than there should be shows that it grew.
                let written = output::write_file(&target, &mut file.take(size + 1), bits);
                if written.map_err(failed)? != *size {
                    let action = format!("`{}` changed while it was read", path.display());
                    return Err(Error::new(codes::CHANGED_MEANWHILE, action).hint("try again"));
                }
            }
            Content::Folder | Content::Link { .. } => {
                unreachable!("a bundle has files only")
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_says_stays_in_its_line() {
        for name in ["libgomp1", "g++", "libc6:arm64", "git=1:2.39.5-0+deb12u2"] {
            assert!(is_package(name), "{name} was refused");
        }
        for name in ["", "a b", "a;id", "$(id)", "a\nRUN id", "-y", "a&&b"] {
            assert!(!is_package(name), "{name:?} passed");
        }
        let needs = |line: &str| PythonNeeds {
            requirements: vec![line.to_owned()],
            ..PythonNeeds::default()
        };
        for line in ["-r /etc/passwd", "--index-url=https://evil.example", "a\n--pre"] {
            assert!(requirements(&needs(line)).is_err(), "{line:?} passed");
        }
    }

    #[test]
    fn indexes_come_first_and_in_order() {
        let needs = PythonNeeds {
            requirements: vec!["b==2".to_owned(), "a==1".to_owned()],
            extra_indexes: vec!["https://i.example/simple".to_owned()],
            ..PythonNeeds::default()
        };
        assert_eq!(
            requirements(&needs).unwrap(),
            "--extra-index-url https://i.example/simple\nb==2\na==1\n"
        );
    }
}
