//! A folder that any `docker build`, podman or buildah turns into the same working server: MLEM's `docker_dir`.

use std::{fs::File, io::Read, path::Path};

use wharf_oci::layer::{Content, Entry, Mode};
use wharf_spec::{codes, model::PythonNeeds, reference::Reference};

use super::{
    Inputs, SERVER_PATH,
    dockerfile::{Dockerfile, Install, Start},
    model_labels, native, output, python,
};
use crate::error::{Error, Result};

/// Returns the files of the folder, sorted by path.
pub(super) fn entries(inputs: &Inputs<'_>, python_of_machine: Option<&str>) -> Result<Vec<Entry>> {
    let mut entries = native::bundle_entries(inputs.model);
    entries.push(native::server_entry(&inputs.program)?);
    if inputs.model.card.runtime.is_native() {
        entries.push(text("Dockerfile", native_dockerfile(inputs)));
    } else {
        let base = python::base_name(inputs, python_of_machine);
        // It must be one word of one line.
        base.parse::<Reference>()?;
        let needs = python::needs(inputs.model);
        entries.push(text("Dockerfile", python_dockerfile(inputs, &base, &needs)?));
        entries.push(text("run.sh", format!("exec {SERVER_PATH} serve\n")));
        if !needs.requirements.is_empty() {
            entries.push(text("requirements.txt", requirements(&needs)?));
        }
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
        ..Dockerfile::default()
    }
    .render()
}

fn python_dockerfile(inputs: &Inputs<'_>, base: &str, needs: &PythonNeeds) -> Result<String> {
    let mut packages = needs.system_packages.clone();
    if needs.requirements.iter().any(|line| line.contains("git+")) {
        packages.insert(0, "git".to_owned());
    }
    if let Some(name) = packages.iter().find(|name| !is_package(name)) {
        let action = format!("`{name}` is not the name of a system package");
        return Err(
            Error::new(codes::REQUIREMENTS, action).hint("correct it in the model's description")
        );
    }
    let args = &inputs.recipe.args;
    let install = Install {
        args,
        build_args: &inputs.recipe.build_args,
        packages: &packages,
        has_requirements: !needs.requirements.is_empty(),
    };
    Ok(Dockerfile {
        from: base,
        platform: args.platform,
        install: Some(install),
        env: &inputs.recipe.env,
        labels: &model_labels(inputs.model),
        start: Start::Command(args.run_cmd.as_deref()),
    }
    .render())
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
