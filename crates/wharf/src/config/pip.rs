//! What this machine's own `pip` is set to, brought into one `pip.conf`: a container that installs packages needs
//! the same index, proxy and certificates as the host, and has none of its settings.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use wharf_ops::{
    context::InstallSettings,
    error::{Error, Result},
};

use super::{Env, find_program, xdg};
use crate::env_vars::{self, Variable};

/// Settings of pip that an installer in a container needs, and the variable of each.
const KEYS: [(&str, Variable); 7] = [
    ("index-url", env_vars::PIP_INDEX_URL),
    ("extra-index-url", env_vars::PIP_EXTRA_INDEX_URL),
    ("find-links", env_vars::PIP_FIND_LINKS),
    ("trusted-host", env_vars::PIP_TRUSTED_HOST),
    ("proxy", env_vars::PIP_PROXY),
    ("timeout", env_vars::PIP_TIMEOUT),
    ("no-index", env_vars::PIP_NO_INDEX),
];

/// Returns the settings. The file is one of the user's cache with mode 0600, written anew each time: it may hold the
/// password of an index, as pip's own file does.
pub(super) fn settings(env: &Env, cache: &Path) -> Result<InstallSettings> {
    let mut values = values(env);
    let ca_bundle = certificates(env, values.remove("cert"));
    if !values.contains_key("proxy") {
        let proxies = [env_vars::HTTPS_PROXY, env_vars::HTTP_PROXY];
        let proxy = proxies.into_iter().find_map(|variable| env.either_case(variable));
        values.extend(proxy.map(|proxy| ("proxy".to_owned(), proxy)));
    }
    if ca_bundle.is_some() {
        values.insert("cert".to_owned(), InstallSettings::CA_BUNDLE.to_owned());
    }
    let folders = folders(values.get("find-links"));
    let pip_conf = if values.is_empty() { None } else { Some(write(cache, &values)?) };
    Ok(InstallSettings { pip_conf, ca_bundle, folders, python_version: python_version(env) })
}

/// Returns what pip's files and variables say.
pub(super) fn values(env: &Env) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for file in files(env) {
        if let Ok(text) = fs::read_to_string(&file) {
            values.extend(parse(&text));
        }
    }
    for (key, variable) in KEYS {
        if let Some(value) = env.text(variable) {
            values.insert(key.to_owned(), value);
        }
    }
    values
}

/// Returns pip's files, the weakest first.
fn files(env: &Env) -> Vec<PathBuf> {
    let home = env.path(env_vars::HOME).unwrap_or_default();
    let config = xdg(env, env_vars::XDG_CONFIG_HOME, ".config");
    let own = env.path(env_vars::PIP_CONFIG_FILE);
    [PathBuf::from("/etc/pip.conf"), home.join(".pip/pip.conf"), config.join("pip/pip.conf")]
        .into_iter()
        .chain(own)
        .collect()
}

/// Reads the sections `global` and `install` of a `pip.conf` (Python's configparser; values may go on in indented lines).
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut wanted = false;
    let mut last: Option<String> = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let trimmed = line.trim();
        if let Some(section) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            wanted = matches!(section.trim(), "global" | "install");
            last = None;
        } else if line.starts_with([' ', '\t']) && !trimmed.is_empty() {
            if let Some(value) = last.as_ref().and_then(|key| values.get_mut(key)) {
                value.push(' ');
                value.push_str(trimmed);
            }
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']).filter(|_| wanted) {
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            last = None;
            if key == "cert" || KEYS.iter().any(|(known, _)| *known == key) {
                values.insert(key.clone(), value.trim().to_owned());
                last = Some(key);
            }
        }
    }
    values
}

/// Returns the bundle of certificates that pip is told to use, if it is there.
pub(super) fn certificates(env: &Env, in_file: Option<String>) -> Option<PathBuf> {
    let first = env.path(env_vars::PIP_CERT).or_else(|| in_file.map(PathBuf::from));
    let others = [env_vars::REQUESTS_CA_BUNDLE, env_vars::CURL_CA_BUNDLE, env_vars::SSL_CERT_FILE];
    let mut candidates =
        first.into_iter().chain(others.into_iter().filter_map(|name| env.path(name)));
    let bundle = candidates.find(|path| path.is_file())?;
    fs::canonicalize(bundle).ok()
}

fn folders(find_links: Option<&String>) -> Vec<PathBuf> {
    let words = find_links.map(|links| links.split_whitespace()).into_iter().flatten();
    words.map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir()).collect()
}

fn write(cache: &Path, values: &BTreeMap<String, String>) -> Result<PathBuf> {
    let path = cache.join("pip.conf");
    let lines: String = values.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let written = fs::create_dir_all(cache).and_then(|()| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(format!("[global]\n{lines}").as_bytes())
    });
    written.map_err(|source| Error::file("write", &path, source))?;
    Ok(path)
}

/// Asks this machine's Python for its minor version.
pub(super) fn python_version(env: &Env) -> Option<String> {
    const ASK: &str = "import sys; print('%d.%d' % sys.version_info[:2])";
    let python = find_program(env, Path::new("python3"))?;
    let mut command = Command::new(python);
    let output =
        command.args(["-I", "-c", ASK]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|version| version.starts_with("3."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::of(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn a_pip_conf_is_read_as_pip_reads_it() {
        let text = "[global]\nindex-url = https://a/simple # no comment here\nfind-links =\n  /one\n  /two\n\
                    [freeze]\ntimeout = 1\n[install]\ntrusted_host: b\n; a comment\n";
        let values = parse(text);
        assert_eq!(values["find-links"], " /one /two");
        assert_eq!(values["trusted-host"], "b");
        assert!(!values.contains_key("timeout"), "another command's setting");
    }

    #[test]
    fn variables_win_and_proxies_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let env = env(&[
            ("HOME", home),
            ("PIP_INDEX_URL", "https://b/simple"),
            ("https_proxy", "http://p:1"),
        ]);
        let settings = settings(&env, folder.path()).unwrap();
        let written = fs::read_to_string(settings.pip_conf.unwrap()).unwrap();
        assert!(written.contains("index-url = https://b/simple\n"), "{written}");
        assert!(written.contains("proxy = http://p:1\n"), "{written}");
    }
}
