//! Private environments: an interpreter and exactly the wheels of a lock, made once and used again.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::process::Command;
use wharf_spec::{codes, digest::Digest, event::Event, platform::Platform, secret::Secret};

use super::{
    Packages,
    resolve::Locked,
    target::{Libc, Python, Target},
    wheels::LockedWheel,
};
use crate::error::{Error, Result};

/// What an interpreter is asked. musl says its version only in words for people, so a usual one stands for it.
const ASK: &str = "\
import json, platform, sys, sysconfig
musl = 'musl' in (sysconfig.get_config_var('HOST_GNU_TYPE') or '')
print(json.dumps({'executable': sys.executable, 'version': list(sys.version_info[:3]),
    'implementation': sys.implementation.name, 'machine': platform.machine(),
    'libc': 'musl 1.2' if musl else ' '.join(platform.libc_ver())}))
";

/// An interpreter of this machine, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    pub path: PathBuf,
    pub target: Target,
}

#[derive(Deserialize)]
struct Description {
    executable: PathBuf,
    version: (u32, u32, u32),
    implementation: String,
    machine: String,
    libc: String,
}

impl Interpreter {
    /// Asks a program what Python it is.
    ///
    /// # Errors
    /// `NO_PYTHON` when it is none that wheels can be chosen for.
    pub async fn ask(
        program: &Path,
        environment: &Secret<Vec<(OsString, OsString)>>,
    ) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(codes::NO_PYTHON, format!("`{}` {why}", program.display())).hint(
                "name another with `--python PATH`, or run the model in a container: `wharf up`",
            )
        };
        let mut command = Command::new(program);
        command.args(["-I", "-c", ASK]).env_clear();
        command.envs(environment.expose().iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await;
        let output = output.map_err(|_| wrong("does not answer"))?;
        let output = output.map_err(|error| wrong("does not start").because(error))?;
        let description: Description = serde_json::from_slice(&output.stdout)
            .map_err(|_| wrong("is not a Python interpreter"))?;
        description.read().map_err(|why| wrong(&why))
    }
}

impl Description {
    fn read(self) -> Result<Interpreter, String> {
        let (major, minor, patch) = self.version;
        if self.implementation != "cpython" || major != 3 {
            return Err(format!(
                "is {} {major}.{minor}, and wharf chooses wheels for CPython 3",
                self.implementation
            ));
        }
        let platform = match self.machine.as_str() {
            "x86_64" => Platform::LinuxAmd64,
            "aarch64" => Platform::LinuxArm64,
            other => return Err(format!("runs on `{other}`, which wharf does not know")),
        };
        let number = |rest: &str| rest.split('.').next().and_then(|minor| minor.parse().ok());
        let libc = match (self.libc.strip_prefix("glibc 2."), self.libc.strip_prefix("musl 1.")) {
            (Some(rest), _) => number(rest).map(|minor| Libc::Glibc { minor }),
            (_, Some(rest)) => number(rest).map(|minor| Libc::Musl { minor }),
            _ => None,
        };
        let libc = libc.ok_or_else(|| {
            format!("uses the C library `{}`, which wharf does not know", self.libc)
        })?;
        Ok(Interpreter {
            path: self.executable,
            target: Target { python: Python { major, minor, patch }, platform, libc },
        })
    }
}

impl Packages {
    /// Returns the interpreter of an environment that has exactly the wheels of a lock: one that is there, or a new one.
    ///
    /// # Errors
    /// When a wheel or `uv` cannot be had, or the environment cannot be made.
    pub async fn environment(&self, locked: &Locked, interpreter: &Interpreter) -> Result<PathBuf> {
        let chosen = locked.lock.choose(&interpreter.target)?;
        let hashes: Vec<_> = chosen.iter().map(|one| one.wheel.sha256).collect();
        let folder = self.cache.join("environments");
        let target = folder.join(key(&hashes, interpreter));
        // The interpreter in it is a link, which may lead nowhere today.
        if program(&target).is_file() {
            return Ok(program(&target));
        }
        let wheels = self.wheels(&chosen, locked.folder()).await?;
        let uv = self.uv().await?;
        let what = format!(
            "making an environment of {} packages for Python {}",
            wheels.len(),
            interpreter.target.python
        );
        self.reporter.report(Event::Started { what });
        let failed = |error| Error::file("make an environment in", &folder, error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let making =
            tempfile::Builder::new().prefix(".making-").tempdir_in(&folder).map_err(failed)?;
        self.make(&uv, making.path(), interpreter, &wheels).await?;
        keep(&making.path().join(ENVIRONMENT), &target).map_err(failed)?;
        Ok(program(&target))
    }

    async fn make(
        &self,
        uv: &Path,
        folder: &Path,
        interpreter: &Interpreter,
        wheels: &[LockedWheel],
    ) -> Result<()> {
        let python = interpreter.path.display().to_string();
        let hint = "the lines say why; `--python PATH` names an interpreter of your own that has the requirements";
        let venv = [
            "venv",
            "--no-project",
            "--no-config",
            "--relocatable",
            "--python",
            &python,
            ENVIRONMENT,
        ];
        let made = self.run_uv(uv, folder, &venv).await;
        made.map_err(|failed| failed.doing("the environment cannot be made", hint))?;
        let lines: String = wheels.iter().map(requirement).collect();
        fs::write(folder.join("wheels.txt"), lines)
            .map_err(|error| Error::file("write into", folder, error))?;
        let own = program(Path::new(ENVIRONMENT)).display().to_string();
        let install = [
            "pip",
            "install",
            "--no-config",
            "--no-index",
            "--no-deps",
            "--require-hashes",
            "--python",
            &own,
            "-r",
            "wheels.txt",
        ];
        let installed = self.run_uv(uv, folder, &install).await;
        installed.map_err(|failed| failed.doing("the wheels cannot be installed", hint))
    }
}

/// The folder that is moved to its place once it is whole.
const ENVIRONMENT: &str = "environment";

fn program(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// A line for `uv pip install` that takes one file and no other.
fn requirement(wheel: &LockedWheel) -> String {
    let path = wheel
        .path
        .display()
        .to_string()
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('#', "%23");
    format!("{} @ file://{path} --hash=sha256:{}\n", wheel.name, wheel.sha256.hex())
}

/// An environment is the same when its wheels and its interpreter are.
fn key(wheels: &[Digest], interpreter: &Interpreter) -> String {
    let wheels = wheels.iter().map(Digest::to_string);
    let interpreter = [
        interpreter.path.display().to_string(),
        interpreter.target.to_string(),
        interpreter.target.python.to_string(),
    ];
    let all: Vec<_> =
        ["environment 1".to_owned()].into_iter().chain(interpreter).chain(wheels).collect();
    Digest::blake3(all.join("\n").as_bytes()).hex()[..32].to_owned()
}

/// Moves an environment to its place. Where another command was quicker, its one is the same; where an old one has lost
/// its interpreter, it goes.
fn keep(made: &Path, target: &Path) -> io::Result<()> {
    for _ in 0..3 {
        match fs::rename(made, target) {
            Ok(()) => return Ok(()),
            Err(_) if program(target).is_file() => return Ok(()),
            Err(_) if target.is_dir() => {
                let old = made.with_file_name("old");
                fs::rename(target, &old).and_then(|()| fs::remove_dir_all(&old)).ok();
            }
            Err(error) => return Err(error),
        }
    }
    fs::rename(made, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(libc: &str) -> Description {
        Description {
            executable: "/usr/bin/python3".into(),
            version: (3, 11, 7),
            implementation: "cpython".to_owned(),
            machine: "x86_64".to_owned(),
            libc: libc.to_owned(),
        }
    }

    #[test]
    fn an_interpreter_says_what_wheels_fit() {
        let interpreter = description("glibc 2.36").read().unwrap();
        assert_eq!(interpreter.target.to_string(), "Python 3.11 on linux/amd64 with glibc 2.36");
        assert_eq!(description("musl 1.2").read().unwrap().target.libc, Libc::Musl { minor: 2 });
        assert!(description(" ").read().unwrap_err().contains("C library"));
        let other = Description { implementation: "pypy".to_owned(), ..description("glibc 2.36") };
        assert!(other.read().unwrap_err().starts_with("is pypy 3.11"));
    }

    #[test]
    fn an_environment_belongs_to_its_wheels_and_its_interpreter() {
        let interpreter = description("glibc 2.36").read().unwrap();
        let (one, two) = (Digest::blake3(b"1"), Digest::blake3(b"2"));
        let same = key(&[one], &interpreter);
        assert_eq!(same, key(&[one], &interpreter));
        assert_ne!(same, key(&[two], &interpreter));
        assert_ne!(
            same,
            key(&[one], &Interpreter { path: "/opt/python3".into(), ..interpreter.clone() })
        );
    }

    #[test]
    fn an_environment_that_lost_its_interpreter_is_replaced_and_a_whole_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("key");
        let make = |name: &str, whole: bool| {
            let made = folder.path().join(name).join(ENVIRONMENT);
            fs::create_dir_all(made.join("bin")).unwrap();
            fs::write(made.join("name"), name).unwrap();
            if whole {
                fs::write(program(&made), "").unwrap();
            }
            made
        };
        let name = || fs::read_to_string(target.join("name")).unwrap();
        keep(&make("broken", false), &target).unwrap();
        keep(&make("first", true), &target).unwrap();
        assert_eq!(name(), "first");
        keep(&make("second", true), &target).unwrap();
        assert_eq!(name(), "first");
    }
}
