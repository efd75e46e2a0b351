//! The command line. Written by hand: a parser library would be a tenth of the whole program.

use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
wharf-serve: serves one model over HTTP

usage:
  wharf-serve [serve] [flags]             serve the model in --bundle
  wharf-serve probe [--port N] [--wait SECS]
                                          exit 0 when the server on this machine is ready
  wharf-serve --version | --help

flags of serve:
  --bundle DIR       folder with card.json and the model's files (/model)
  --host ADDR        address to listen on (0.0.0.0)
  --port N           port; 0 takes a free one (8080)
  --temporary        end with standard input (with the process that started this one), and remove the bundle
  --python PATH      interpreter for models that run Python (python3)
  --workers N        number of Python workers (by the machine)
  --log text|json    form of the log on stderr (text)

environment, where no flag says otherwise:
  WHARF_SERVE_HOST, WHARF_SERVE_PORT, WHARF_SERVE_LOG, WHARF_SERVE_WORKERS
  WHARF_SERVE_HOSTS      further names under which this server may be asked, with commas
  WHARF_SERVE_CALL_SECS  longest call in a Python worker (30)
  WHARF_SERVE_LOAD_SECS  longest start of a Python worker (120)
";

/// Why the command line was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(ServeArgs),
    Probe(ProbeArgs),
    Version,
    Help,
}

/// Flags of `serve`; `None`: not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServeArgs {
    pub(crate) bundle: Option<PathBuf>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) workers: Option<usize>,
    pub(crate) log: Option<String>,
    pub(crate) temporary: bool,
}

/// Flags of `probe`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ProbeArgs {
    pub(crate) port: Option<u16>,
    pub(crate) wait_secs: u64,
}

/// Reads the arguments after the program's name.
pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Command, UsageError> {
    let mut args = args.peekable();
    let subcommand = args.next_if(|arg| !arg.starts_with('-'));
    match subcommand.as_deref() {
        None | Some("serve") => serve(Flags(args)),
        Some("probe") => probe(Flags(args)),
        Some(other) => Err(UsageError(format!("there is no command `{other}`"))),
    }
}

fn serve(mut flags: Flags<impl Iterator<Item = String>>) -> Result<Command, UsageError> {
    let mut serve = ServeArgs::default();
    while let Some(flag) = flags.next()? {
        match flag.name.as_str() {
            "--version" | "-V" => return Ok(Command::Version),
            "--help" | "-h" => return Ok(Command::Help),
            "--bundle" => serve.bundle = Some(flags.value(flag)?.into()),
            "--host" => serve.host = Some(flags.value(flag)?),
            "--port" => serve.port = Some(flags.number(flag)?),
            "--python" => serve.python = Some(flags.value(flag)?.into()),
            "--workers" => serve.workers = Some(flags.number(flag)?),
            "--log" => serve.log = Some(flags.value(flag)?),
            "--temporary" => serve.temporary = true,
            _ => return Err(flag.unknown()),
        }
    }
    Ok(Command::Serve(serve))
}

fn probe(mut flags: Flags<impl Iterator<Item = String>>) -> Result<Command, UsageError> {
    let mut probe = ProbeArgs::default();
    while let Some(flag) = flags.next()? {
        match flag.name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--port" => probe.port = Some(flags.number(flag)?),
            "--wait" => probe.wait_secs = flags.number(flag)?,
            _ => return Err(flag.unknown()),
        }
    }
    Ok(Command::Probe(probe))
}

struct Flags<I>(I);

/// `--name` or `--name=value`.
struct Flag {
    name: String,
    value: Option<String>,
}

impl<I: Iterator<Item = String>> Flags<I> {
    fn next(&mut self) -> Result<Option<Flag>, UsageError> {
        let Some(arg) = self.0.next() else { return Ok(None) };
        if !arg.starts_with('-') {
            return Err(UsageError(format!("`{arg}` is no flag")));
        }
        Ok(Some(match arg.split_once('=') {
            Some((name, value)) => Flag { name: name.to_owned(), value: Some(value.to_owned()) },
            None => Flag { name: arg, value: None },
        }))
    }

    fn value(&mut self, flag: Flag) -> Result<String, UsageError> {
        flag.value
            .or_else(|| self.0.next())
            .ok_or_else(|| UsageError(format!("`{}` needs a value", flag.name)))
    }

    fn number<T: std::str::FromStr>(&mut self, flag: Flag) -> Result<T, UsageError> {
        let name = flag.name.clone();
        let value = self.value(flag)?;
        value.parse().map_err(|_| UsageError(format!("`{name} {value}` is not a number it can be")))
    }
}

impl Flag {
    fn unknown(&self) -> UsageError {
        UsageError(format!("there is no flag `{}`", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Command, String> {
        read(line.split_whitespace().map(str::to_owned)).map_err(|error| error.0)
    }

    #[test]
    fn serving_is_what_happens_without_a_command() {
        let expect = ServeArgs { port: Some(0), log: Some("json".into()), ..ServeArgs::default() };
        assert_eq!(check("--port 0 --log=json"), Ok(Command::Serve(expect.clone())));
        assert_eq!(check("serve --port=0 --log json"), Ok(Command::Serve(expect)));
        assert_eq!(check("--version"), Ok(Command::Version));
    }

    #[test]
    fn probes_have_a_port_and_patience() {
        let expect = ProbeArgs { port: Some(81), wait_secs: 5 };
        assert_eq!(check("probe --port 81 --wait 5"), Ok(Command::Probe(expect)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expect) in [
            ("prob", "there is no command `prob`"),
            ("--prt 1", "there is no flag `--prt`"),
            ("--port", "`--port` needs a value"),
            ("--port 65536", "`--port 65536` is not a number it can be"),
            ("serve model", "`model` is no flag"),
        ] {
            assert_eq!(check(line), Err(expect.to_owned()), "{line}");
        }
    }
}
