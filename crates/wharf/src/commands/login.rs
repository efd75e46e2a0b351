//! `wharf login`: checks credentials with a registry, and keeps them where Docker does.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    os::fd::AsFd as _,
};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::Serialize;
use wharf_oci::{
    keychain::{Credential, Kept},
    registry::{Registry, error::RegistryError},
};
use wharf_ops::{
    context::cancelled,
    error::{Error, Result},
};
use wharf_spec::{codes, secret::Secret};

use super::{
    Session,
    registry::{RegistryArgs, host, no_login},
};

/// Check a user's password with a registry, and keep it in Docker's own file or credential helper
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf login localhost:5000 -u ann\n  \
                        wharf login docker.io -u ann --password-stdin <token.txt")]
pub(crate) struct LoginArgs {
    /// The registry: `HOST` or `HOST:PORT`
    host: String,
    /// Who you are there; asked for on a terminal
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Read the password from stdin; else it is asked for on a terminal
    #[arg(long, requires = "user")]
    password_stdin: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct LoginDocument<'a> {
    schema: &'static str,
    host: &'a str,
    user: &'a str,
    kept_in: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: LoginArgs) -> Result<u8> {
    let host = host(&args.host)?;
    let access = args.registry.access(session)?;
    let (user, password) = who(session, &args).await?;
    let credential = Credential::Password { user: user.clone(), password: password.clone() };
    let checking = async {
        let registry = Registry::connect_as(host.clone(), Some(credential), &access).await?;
        registry.verify().await
    };
    tokio::select! {
        checked = checking => checked.map_err(|error| no_login(&host, error))?,
        () = session.cancel.cancelled() => return Err(cancelled()),
    }
    let kept = access.keychain.keep(&host, &user, &password).await;
    let kept = kept.map_err(|error| {
        let action = format!("could not keep the credentials of `{host}`");
        Error::wrap(action, RegistryError::Keychain(error))
    })?;
    let kept_in = match kept {
        Kept::File(path) => path.display().to_string(),
        Kept::Helper(name) => format!("docker-credential-{name}"),
    };
    if session.config.json {
        let document =
            LoginDocument { schema: "wharf.login/v1", host: host.as_str(), user: &user, kept_in };
        session.console.json(&document);
    } else if !session.config.quiet {
        session.console.out(&format!("logged in to {host} as {user}"));
        session.console.err(&format!("note: the password is kept in `{kept_in}`"));
    }
    Ok(0)
}

async fn who(session: &Session<'_>, args: &LoginArgs) -> Result<(String, Secret<String>)> {
    if let (Some(user), true) = (&args.user, args.password_stdin) {
        return Ok((plain_user(user)?, from_stdin()?));
    }
    if !io::stdin().is_terminal() {
        let action = "there is no terminal to ask for the password";
        return Err(Error::new(codes::FLAGS, action).hint(format!(
            "give it on stdin: `wharf login {} -u USER --password-stdin <FILE`",
            args.host
        )));
    }
    let user = match &args.user {
        Some(user) => user.clone(),
        None => ask(session, "user: ").await?,
    };
    let _quiet = Quiet::begin();
    let password = ask(session, "password: ").await?;
    session.console.err("");
    Ok((plain_user(&user)?, Secret::new(password)))
}

/// Basic ends the user's name at the first colon.
fn plain_user(user: &str) -> Result<String> {
    if user.is_empty() || user.contains(':') {
        let action = format!("`{user}` is not a user's name: it is empty, or has a `:`");
        return Err(Error::new(codes::FLAGS, action).hint("correct `-u USER`"));
    }
    Ok(user.to_owned())
}

fn from_stdin() -> Result<Secret<String>> {
    let password = password_on_stdin()?;
    if password.expose().is_empty() {
        return Err(Error::new(codes::FLAGS, "the password on stdin is empty")
            .hint("give it as `… --password-stdin <FILE`"));
    }
    Ok(password)
}

/// Reads all of stdin but the end of its line.
pub(super) fn password_on_stdin() -> Result<Secret<String>> {
    let mut text = String::new();
    let read = io::stdin().lock().take(1 << 20).read_to_string(&mut text);
    read.map_err(|error| Error::file("read", "stdin".as_ref(), error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Secret::new(text.to_owned()))
}

/// Asks for a password; without a terminal there is none.
pub(super) async fn ask_password(session: &Session<'_>) -> Result<Option<Secret<String>>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let _quiet = Quiet::begin();
    let password = ask(session, "password: ").await?;
    session.console.err("");
    Ok(Some(Secret::new(password)))
}

/// Asks for a line. ^C ends it: the reading thread ends with the process.
async fn ask(session: &Session<'_>, what: &str) -> Result<String> {
    session.console.prompt(what);
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        read = reading => {
            let line = read.expect("reading a line does not panic");
            let line = line.map_err(|error| Error::file("read", "stdin".as_ref(), error))?;
            Ok(line.trim_end_matches(['\n', '\r']).to_owned())
        }
        () = session.cancel.cancelled() => Err(cancelled()),
    }
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Quiet(Option<Termios>);

impl Quiet {
    fn begin() -> Self {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            tcsetattr(stdin.as_fd(), OptionalActions::Now, &quiet).ok();
        }
        Self(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            tcsetattr(io::stdin().as_fd(), OptionalActions::Now, before).ok();
        }
    }
}
