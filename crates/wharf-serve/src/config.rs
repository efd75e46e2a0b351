//! How this server runs: flags, then environment, then defaults. The only reader of the environment.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
};

use crate::{
    args::{ServeArgs, UsageError},
    log::LogStyle,
    runtime::RuntimeSettings,
};

/// The port when nobody says another.
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// The variables `WHARF_SERVE_…`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<&'static str, String>);

const VARIABLES: [&str; 7] = [
    "WHARF_SERVE_HOST",
    "WHARF_SERVE_PORT",
    "WHARF_SERVE_LOG",
    "WHARF_SERVE_WORKERS",
    "WHARF_SERVE_HOSTS",
    "WHARF_SERVE_CALL_SECS",
    "WHARF_SERVE_LOAD_SECS",
];

impl Environment {
    /// Reads the variables of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads them")]
    pub(crate) fn of_process() -> Self {
        let set = VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        Self(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns the port that the environment names.
    pub(crate) fn port(&self) -> Result<u16, UsageError> {
        Ok(self.number("WHARF_SERVE_PORT")?.unwrap_or(DEFAULT_PORT))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, UsageError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.parse();
        number
            .map(Some)
            .map_err(|_| UsageError(format!("`{name}={value}` is not a number it can be")))
    }
}

/// How this server runs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) bundle: PathBuf,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// Whether to end when standard input ends, and to remove the bundle then.
    pub(crate) temporary: bool,
    pub(crate) log: LogStyle,
    /// Names under which the server may be asked, besides loopback names and addresses.
    pub(crate) hosts: Vec<String>,
    pub(crate) runtime: RuntimeSettings,
}

impl Config {
    pub(crate) fn new(args: ServeArgs, environment: &Environment) -> Result<Self, UsageError> {
        let log = args.log.or_else(|| environment.text("WHARF_SERVE_LOG"));
        let hosts = environment.text("WHARF_SERVE_HOSTS").unwrap_or_default();
        let host = args.host.or_else(|| environment.text("WHARF_SERVE_HOST"));
        let port = args.port.map_or_else(|| environment.port(), Ok)?;
        let workers = args
            .workers
            .map_or_else(|| environment.number("WHARF_SERVE_WORKERS"), |n| Ok(Some(n)))?;
        if workers == Some(0) {
            return Err(UsageError("at least one worker is needed".to_owned()));
        }
        Ok(Self {
            bundle: args.bundle.unwrap_or_else(|| "/model".into()),
            host: host.map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), |host| address(&host))?,
            port,
            temporary: args.temporary,
            log: log.map_or(Ok(LogStyle::Text), |style| style.parse())?,
            hosts: hosts
                .split([',', ' '])
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            runtime: RuntimeSettings {
                python: args.python.unwrap_or_else(|| "python3".into()),
                workers,
                call_secs: environment.number("WHARF_SERVE_CALL_SECS")?.unwrap_or(30),
                load_secs: environment.number("WHARF_SERVE_LOAD_SECS")?.unwrap_or(120),
            },
        })
    }
}

/// Reads an address to listen on.
///
/// Names of other hosts are none, and looking them up would be a tenth of the program.
fn address(host: &str) -> Result<IpAddr, UsageError> {
    if host == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    host.parse().map_err(|_| {
        UsageError(format!(
            "`{host}` is not an address to listen on, as 127.0.0.1, 0.0.0.0 (every one) or `::` are"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&'static str, &str)]) -> Environment {
        Environment(variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_defaults() {
        let set =
            environment(&[("WHARF_SERVE_PORT", "81"), ("WHARF_SERVE_HOSTS", "iris,a.example")]);
        let config = Config::new(ServeArgs::default(), &set).unwrap();
        assert_eq!((config.port, config.host.to_string()), (81, "0.0.0.0".to_owned()));
        assert_eq!(config.hosts, ["iris", "a.example"]);
        let args = ServeArgs { port: Some(82), ..ServeArgs::default() };
        assert_eq!(Config::new(args, &set).unwrap().port, 82);
    }

    #[test]
    fn a_host_is_an_address_or_this_machine() {
        let read = |host: &str| {
            let args = ServeArgs { host: Some(host.to_owned()), ..ServeArgs::default() };
            Config::new(args, &Environment::default()).map(|config| config.host.to_string())
        };
        assert_eq!(read("localhost").unwrap(), "127.0.0.1");
        assert_eq!(read("::").unwrap(), "::");
        assert!(read("example.org").unwrap_err().0.contains("`example.org` is not an address"));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let set = environment(&[("WHARF_SERVE_WORKERS", "many")]);
        let error = Config::new(ServeArgs::default(), &set).unwrap_err();
        assert_eq!(error.0, "`WHARF_SERVE_WORKERS=many` is not a number it can be");
        let set = environment(&[("WHARF_SERVE_LOG", "xml")]);
        assert!(Config::new(ServeArgs::default(), &set).unwrap_err().0.contains("text or json"));
    }
}
