//! `uv`: from PATH, else from the cache, else fetched: the wheel of one version whose hashes are in this file.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;
use wharf_net::{address::Address, retry::ATTEMPTS};
use wharf_oci::wheel::Wheel as Archive;
use wharf_spec::{codes, event::Event};

use super::{
    Network, Packages,
    http::FetchError,
    index::{self, scrub},
    lock::{Place, Wheel},
    simple,
    wheels::Meter,
};
use crate::{
    context::cancelled,
    error::{Error, Result},
};

/// The version that is fetched.
const VERSION: &str = "0.13.8";

/// The oldest version that writes locks as we read them.
const OLDEST: (u32, u32) = (0, 7);

/// How many lines of a failed `uv` are shown.
const KEPT_LINES: usize = 30;

/// Builds of that version for an architecture, the best first: those for musl are static, and run on every Linux.
const BUILDS: [(&str, &str, &str); 4] = [
    (
        "x86_64",
        "uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl",
        "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a",
    ),
    (
        "x86_64",
        "uv-0.13.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    ),
    (
        "aarch64",
        "uv-0.13.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    ),
    (
        "aarch64",
        "uv-0.13.8-py3-none-manylinux_2_28_aarch64.whl",
        "5337c30bb893b4f9ce0ceb921ba2da0d13f649da644f40ad3bef84083bef0203",
    ),
];

impl Packages {
    /// Returns the program `uv`, fetched where it is not there.
    ///
    /// # Errors
    /// `NO_UV` when it is not there and cannot be had.
    pub async fn uv(&self) -> Result<PathBuf> {
        if let Some(uv) = &self.uv {
            match version(uv, self).await {
                Some(version) if version >= OLDEST => return Ok(uv.clone()),
                _ => self.reporter.report(Event::Note {
                    text: format!(
                        "`{}` is older than uv {}.{}, so wharf uses its own",
                        uv.display(),
                        OLDEST.0,
                        OLDEST.1
                    ),
                }),
            }
        }
        let own = self.cache.join("uv").join(format!("uv-{VERSION}"));
        if own.is_file() {
            return Ok(own);
        }
        let wheel = tokio::select! {
            wheel = self.find_build() => wheel?,
            () = self.cancel.cancelled() => return Err(cancelled()),
        };
        self.reporter.report(Event::Note {
            text: format!(
                "there is no `uv` here: fetching uv {VERSION} into `{}`",
                self.cache.display()
            ),
        });
        let meter = Meter::new(wheel.size.unwrap_or_default());
        let archive = tokio::select! {
            archive = self.wheel(&wheel, Path::new("/"), &meter) => archive?,
            () = self.cancel.cancelled() => return Err(cancelled()),
        };
        let target = own.clone();
        let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &target)).await;
        unpacked
            .map_err(|panic| Error::new(codes::BUG, "unpacking uv failed").because(panic))?
            .map_err(|error| Error::file("unpack uv into", &own, error))?;
        Ok(own)
    }

    /// Finds a build for this machine: in a folder, else on a page of links, else in an index.
    async fn find_build(&self) -> Result<Wheel> {
        let builds: Vec<_> =
            BUILDS.iter().filter(|build| build.0 == std::env::consts::ARCH).collect();
        if builds.is_empty() {
            let action = format!(
                "there is no `uv` on PATH, and wharf has none for {}",
                std::env::consts::ARCH
            );
            return Err(Error::new(codes::NO_UV, action).hint("put `uv` on PATH"));
        }
        let wheel = |name: &str, place: Place| {
            let (_, file, sha256) =
                builds.iter().find(|build| build.1 == name).expect("a name of the table");
            Wheel {
                name: file.parse().expect("names of the table are names of wheels"),
                place,
                size: None,
                sha256: format!("sha256:{sha256}")
                    .parse()
                    .expect("hashes of the table are digests"),
            }
        };
        let folders = self.indexes.folders();
        for (_, name, _) in &builds {
            if folders.iter().any(|folder| folder.join(name).is_file()) {
                return Ok(wheel(name, Place::Path((*name).to_owned())));
            }
        }
        if self.network == Network::Forbidden {
            let action =
                "there is no `uv` on PATH or in wharf's cache, and `--offline` forbids to fetch it";
            return Err(no_uv(action));
        }
        let names: Vec<_> = builds.iter().map(|build| build.1).collect();
        let indexes = self
            .indexes
            .asked()
            .into_iter()
            .map(|index| format!("{}/uv/", index.trim_end_matches('/')));
        let mut last = None;
        for page in self.indexes.pages().into_iter().map(str::to_owned).chain(indexes) {
            let Some(page) = index::signed(&page) else { continue };
            match self.page(&page.address).await {
                Ok((bytes, at)) => {
                    if let Some(link) = simple::find(&bytes, &names)
                        && let Ok(address) = at.join(&link)
                    {
                        let name = address.to_string();
                        let name =
                            index::percent_decode(name.rsplit('/').next().unwrap_or_default());
                        let url = index::without_secrets(&address.to_string());
                        return Ok(wheel(&name, Place::Url(url)));
                    }
                }
                Err(error) => last = Some(error),
            }
        }
        let error = no_uv(&format!(
            "there is no `uv` on PATH, and uv {VERSION} could not be found in an index"
        ));
        Err(match last {
            Some(why) => error.because(why),
            None => error,
        })
    }

    /// Reads a page of an index, and says where it was in the end.
    async fn page(&self, address: &Address) -> Result<(Vec<u8>, Address), FetchError> {
        let http = self.http();
        for attempt in 1..=ATTEMPTS {
            let error = match http.get(address, &[("accept", simple::ACCEPT)]).await {
                Ok(answer) => {
                    let at = answer.address().clone();
                    return Ok((answer.bytes(simple::LARGEST).await?.to_vec(), at));
                }
                Err(error) => error,
            };
            let Some(pause) = error.pause(attempt) else { return Err(error) };
            tokio::time::sleep(pause).await;
        }
        unreachable!("the last attempt has no pause after it")
    }

    /// Runs `uv`; what it says is reported without passwords, and is the excerpt of the error that it ends with.
    pub(super) async fn run_uv(
        &self,
        uv: &Path,
        folder: &Path,
        args: &[&str],
    ) -> Result<(), Failed> {
        let mut command = Command::new(uv);
        command
            .args(args)
            .args(["--no-progress", "--color", "never"])
            .current_dir(folder)
            .env_clear()
            .envs(self.environment.expose().iter().map(|(name, value)| (name, value)))
            .envs(self.settings_of_uv())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if self.network == Network::Forbidden {
            command.arg("--offline");
        }
        let output = tokio::select! {
            output = output(&mut command) => output.map_err(Failed::Start)?,
            () = self.cancel.cancelled() => return Err(Failed::Cancelled),
        };
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = text.lines().map(|line| scrub(line).into_owned()).collect();
        for line in &lines {
            self.reporter.report(Event::Output { line: line.clone() });
        }
        if output.status.success() {
            return Ok(());
        }
        let shown = lines.len().saturating_sub(KEPT_LINES);
        Err(Failed::Ended(lines[shown..].iter().map(|line| format!("  | {line}\n")).collect()))
    }

    /// Returns this machine's settings in the variables of uv; where uv's own are set, those hold.
    fn settings_of_uv(&self) -> Vec<(&'static str, String)> {
        let indexes = &self.indexes;
        let words = |addresses: &[wharf_spec::secret::Secret<String>], between: &str| {
            addresses
                .iter()
                .map(|address| address.expose().as_str())
                .collect::<Vec<_>>()
                .join(between)
        };
        let all = [
            ("UV_DEFAULT_INDEX", indexes.index.as_ref().map(|index| index.expose().clone())),
            ("UV_INDEX", Some(words(&indexes.extra, " "))),
            ("UV_FIND_LINKS", Some(words(&indexes.find_links, ","))),
            ("UV_INSECURE_HOST", Some(indexes.trusted_hosts.join(" "))),
            ("SSL_CERT_FILE", self.ca_bundle.as_ref().map(|path| path.display().to_string())),
            // What is fetched beyond packages, wharf would have to say.
            ("UV_PYTHON_DOWNLOADS", Some("never".to_owned())),
        ];
        let is_new = |name: &str| !self.environment.expose().iter().any(|(known, _)| known == name);
        let said = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        said.filter(|(name, value)| !value.is_empty() && is_new(name)).collect()
    }
}

/// How a run of `uv` failed.
#[derive(Debug)]
pub(super) enum Failed {
    Start(io::Error),
    /// With the last lines of what it said.
    Ended(String),
    Cancelled,
}

impl Failed {
    /// Returns the error about what was to be done.
    pub(super) fn doing(self, what: &str, hint: &str) -> Error {
        match self {
            Self::Start(source) => no_uv("`uv` does not start").because(source),
            Self::Ended(lines) => {
                Error::new(codes::REQUIREMENTS, what).with_excerpt(lines).hint(hint)
            }
            Self::Cancelled => cancelled(),
        }
    }
}

fn no_uv(action: &str) -> Error {
    Error::new(codes::NO_UV, action)
        .hint(
            "install it: `pip install uv`, or run the command once where the index can be reached",
        )
        .hint("or name an interpreter that has the requirements: `wharf serve MODEL --python PATH`")
}

/// Unpacks the program from its wheel; it is there only when it is whole.
fn unpack(archive: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().expect("a file in a folder");
    fs::create_dir_all(folder)?;
    let mut program = tempfile::NamedTempFile::new_in(folder)?;
    let wheel = Archive::open(archive).map_err(io::Error::other)?;
    if !wheel.extract(".data/scripts/uv", &mut program).map_err(io::Error::other)? {
        return Err(io::Error::other("it has no program `uv`"));
    }
    program.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    program.as_file().sync_all()?;
    program.persist(target).map_err(|error| error.error)?;
    Ok(())
}

async fn version(uv: &Path, packages: &Packages) -> Option<(u32, u32)> {
    let mut command = Command::new(uv);
    command
        .arg("--version")
        .env_clear()
        .envs(packages.environment.expose().iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(Duration::from_secs(10), output(&mut command)).await;
    parse_version(&String::from_utf8(answer.ok()?.ok()?.stdout).ok()?)
}

/// Reads `uv 0.13.8 (x86_64-unknown-linux-gnu)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("uv ")?.split(['.', ' ']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Runs a program. One that was written a moment ago may still be open in a process that is about to start another.
async fn output(command: &mut Command) -> io::Result<std::process::Output> {
    for _ in 0..20 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            child => return child?.wait_with_output().await,
        }
    }
    command.spawn()?.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("uv 0.13.8 (x86_64-unknown-linux-gnu)\n"), Some((0, 13)));
        assert_eq!(parse_version("uv 1.0.0"), Some((1, 0)));
        assert_eq!(parse_version("pip 23.0"), None);
    }

    #[test]
    fn the_table_holds_wheels_of_the_pinned_version() {
        for (arch, file, sha256) in BUILDS {
            let name: super::super::tags::WheelName = file.parse().unwrap();
            assert_eq!(name.version(), VERSION);
            assert!(file.contains(arch) && sha256.len() == 64, "{file}");
        }
    }
}
