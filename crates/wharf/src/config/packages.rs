//! What getting Python packages needs of this machine's settings: pip's and uv's indexes, certificates, proxies.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;
use wharf_net::client::{Client, Proxy, Roots, Settings};
use wharf_ops::{
    context::Reporter,
    error::{Error, Result},
    python::{Network, Packages, index::Indexes},
};
use wharf_spec::{codes, secret::Secret};

use super::{Env, find_program, pip, registry};
use crate::env_vars::{self, Variable};

/// Variables of uv that are read here; uv is told all of it again, with pip's settings where these say nothing.
const OF_UV: [Variable; 6] = [
    env_vars::UV_DEFAULT_INDEX,
    env_vars::UV_INDEX_URL,
    env_vars::UV_INDEX,
    env_vars::UV_EXTRA_INDEX_URL,
    env_vars::UV_FIND_LINKS,
    env_vars::UV_INSECURE_HOST,
];

/// Returns what packages are got with.
pub(super) fn packages(
    env: &Env,
    cache: PathBuf,
    network: Network,
    reporter: Arc<dyn Reporter>,
    cancel: CancellationToken,
) -> Result<Packages> {
    let mut values = pip::values(env);
    // uv believes this variable whatever pip is set to, and what it has locked wharf must be able to fetch.
    let of_pip = pip::certificates(env, values.remove("cert"));
    let of_uv = env.path(env_vars::SSL_CERT_FILE).and_then(|path| fs::canonicalize(path).ok());
    let ca_bundle = of_uv.or(of_pip);
    let proxy = values.get("proxy").cloned();
    let proxies = Proxy {
        http: env.either_case(env_vars::HTTP_PROXY).or_else(|| proxy.clone()),
        https: env.either_case(env_vars::HTTPS_PROXY).or_else(|| proxy.clone()),
        except: env.either_case(env_vars::NO_PROXY),
    };
    let roots =
        Roots { bundle: ca_bundle.as_deref().map(registry::pem).transpose()?, extra: Vec::new() };
    let client = Client::new(&Settings { roots, proxy: proxies }).map_err(|error| {
        Error::new(codes::FLAGS, error.to_string())
            .hint("correct pip's `cert` or `proxy`, or the variable: SSL_CERT_FILE, HTTPS_PROXY, HTTP_PROXY")
    })?;
    let is_no = |value: &str| matches!(value, "0" | "false" | "no" | "off");
    let indexes = Indexes {
        index: first(env, [env_vars::UV_DEFAULT_INDEX, env_vars::UV_INDEX_URL])
            .or_else(|| values.get("index-url").cloned())
            .map(Secret::new),
        extra: words(
            first(env, [env_vars::UV_INDEX, env_vars::UV_EXTRA_INDEX_URL])
                .or_else(|| values.get("extra-index-url").cloned()),
        ),
        find_links: words(
            env.text(env_vars::UV_FIND_LINKS).or_else(|| values.get("find-links").cloned()),
        ),
        no_index: values.get("no-index").is_some_and(|value| !is_no(value)),
        trusted_hosts: env
            .text(env_vars::UV_INSECURE_HOST)
            .or_else(|| values.get("trusted-host").cloned())
            .map(|hosts| hosts.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
    };
    Ok(Packages {
        indexes,
        client,
        ca_bundle,
        cache,
        environment: Secret::new(environment(env, proxy.as_deref())),
        uv: find_program(env, Path::new("uv")),
        network,
        reporter,
        cancel,
        signed: Vec::new(),
    })
}

fn first(env: &Env, variables: [Variable; 2]) -> Option<String> {
    variables.into_iter().find_map(|variable| env.text(variable))
}

/// uv separates with spaces or commas, pip with spaces.
fn words(text: Option<String>) -> Vec<Secret<String>> {
    let text = text.unwrap_or_default();
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| Secret::new(word.to_owned())).collect()
}

/// Returns the variables of programs that are run: this process's own, without those that would mean another project.
fn environment(env: &Env, proxy: Option<&str>) -> Vec<(OsString, OsString)> {
    const ELSEWHERE: [&str; 4] = ["UV_PROJECT", "UV_WORKING_DIR", "UV_PYTHON", "VIRTUAL_ENV"];
    let is_read = |name: &OsStr| OF_UV.iter().any(|variable| name == variable.0);
    let is_elsewhere = |name: &OsStr| ELSEWHERE.iter().any(|other| name == *other);
    let mut all: Vec<(OsString, OsString)> = env
        .all()
        .filter(|(name, _)| !is_read(name) && !is_elsewhere(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Some(proxy) = proxy {
        for variable in [env_vars::HTTP_PROXY, env_vars::HTTPS_PROXY] {
            if env.either_case(variable).is_none() {
                all.push((variable.0.into(), proxy.into()));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Reporter for Nobody {
        fn report(&self, _: wharf_spec::event::Event) {}
    }

    fn of(variables: &[(&str, &str)]) -> Packages {
        let env = Env::of(variables.iter().map(|(name, value)| (name.into(), value.into())));
        packages(
            &env,
            "/cache".into(),
            Network::Allowed,
            Arc::new(Nobody),
            CancellationToken::new(),
        )
        .unwrap()
    }

    #[test]
    fn uv_is_believed_before_pip() {
        let home = tempfile::tempdir().unwrap();
        let home = ("HOME", home.path().to_str().unwrap());
        let pip = [home, ("PIP_INDEX_URL", "https://pip/simple"), ("PIP_FIND_LINKS", "/a /b")];
        let packages = of(&pip);
        assert_eq!(packages.indexes.index.unwrap().expose(), "https://pip/simple");
        let links: Vec<_> =
            packages.indexes.find_links.iter().map(Secret::expose).cloned().collect();
        assert_eq!(links, ["/a", "/b"]);
        let both: Vec<_> = pip
            .into_iter()
            .chain([("UV_DEFAULT_INDEX", "https://uv/simple"), ("UV_FIND_LINKS", "/c,/d")])
            .collect();
        let packages = of(&both);
        assert_eq!(packages.indexes.index.unwrap().expose(), "https://uv/simple");
        assert_eq!(packages.indexes.find_links.len(), 2);
    }

    #[test]
    fn certificates_are_those_that_uv_takes() {
        let home = tempfile::tempdir().unwrap();
        let [of_pip, of_uv] = ["pip.pem", "uv.pem"].map(|name| home.path().join(name));
        for path in [&of_pip, &of_uv] {
            fs::write(path, wharf_testkit::tls::AUTHORITY).unwrap();
        }
        let of_pip =
            [("HOME", home.path().to_str().unwrap()), ("PIP_CERT", of_pip.to_str().unwrap())];
        assert!(of(&of_pip).ca_bundle.unwrap().ends_with("pip.pem"));
        let both = [&of_pip[..], &[("SSL_CERT_FILE", of_uv.to_str().unwrap())]].concat();
        assert!(of(&both).ca_bundle.unwrap().ends_with("uv.pem"));
    }

    #[test]
    fn passwords_are_not_shown() {
        let home = tempfile::tempdir().unwrap();
        let packages = of(&[
            ("HOME", home.path().to_str().unwrap()),
            ("PIP_INDEX_URL", "https://me:c4nary@pip/simple"),
            ("HTTPS_PROXY", "http://me:c4nary@proxy:1"),
        ]);
        assert!(!format!("{packages:?}").contains("c4nary"));
    }
}
