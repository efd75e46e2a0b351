//! The flags of all commands that talk to a registry.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use wharf_oci::{
    image::Image,
    manifest::Platform,
    registry::{Access, CHUNK, PlainHttp, error::RegistryError, host::RegistryHost},
    store::Which,
    tree::Tree,
};
use wharf_ops::{
    build::Existing,
    context::{Reporter as _, cancelled},
    error::{Error, Result},
    images::{Transfer, source::Source},
    push::{self, PushContext, Pushed, Supply},
};
use wharf_spec::{codes, error::Explain as _, event::Event, reference::Reference};

use super::Session;
use crate::output::report::Lines;

/// How a registry is talked to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct RegistryArgs {
    /// Talk to the registry without encryption; this machine itself needs no such word
    #[arg(long)]
    plain_http: bool,
    /// A file with the certificate of the authority that signed the registry's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A host that may be asked for tokens, and given the password, besides the registry's own
    #[arg(long, value_name = "HOST")]
    token_host: Vec<String>,
    /// A host that the registry keeps its layers at, and sends there for them
    #[arg(long, value_name = "HOST")]
    storage_host: Vec<String>,
}

impl RegistryArgs {
    /// Returns what a registry is asked with.
    pub(crate) fn access(&self, session: &Session<'_>) -> Result<Access> {
        let ca = self.ca.as_ref().map(|path| session.config.folder.join(path));
        Ok(Access {
            client: session.config.client(ca.as_deref())?,
            keychain: session.config.keychain(),
            plain_http: if self.plain_http { PlainHttp::Allowed } else { PlainHttp::Loopback },
            token_hosts: self.token_host.clone(),
            storage_hosts: self.storage_host.clone(),
            chunk: CHUNK,
        })
    }

    /// Returns a flag that was given, for commands that need none.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self { plain_http, ca, token_host, storage_host } = self;
        let flags = [
            ("--plain-http", *plain_http),
            ("--ca", ca.is_some()),
            ("--token-host", !token_host.is_empty()),
            ("--storage-host", !storage_host.is_empty()),
        ];
        flags.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

/// How an image is pushed.
pub(crate) struct Sending {
    pub(crate) access: Access,
    pub(crate) mount_from: Vec<String>,
    pub(crate) existing: Existing,
    pub(crate) supply: Supply,
}

/// Pushes an image, and shows on stderr how far it is.
pub(crate) async fn send(
    session: &Session<'_>,
    image: impl Into<Tree>,
    to: &Reference,
    sending: Sending,
) -> Result<Pushed> {
    let quiet = session.config.quiet || session.config.json;
    let lines = Arc::new(Lines::new(session.console.clone(), session.config.verbose, quiet));
    let Sending { access, mount_from, existing, supply } = sending;
    let reporter = lines.clone();
    let cancel = session.cancel.clone();
    let context = PushContext { access, mount_from, existing, supply, reporter, cancel };
    let pushed = push::push(image, to, &context).await;
    lines.stop_spinner();
    pushed
}

/// Takes an image out of the engine, and says so meanwhile.
pub(crate) async fn take(session: &Session<'_>, image: &Reference) -> Result<Image> {
    let store = session.engine_store()?;
    let quiet = session.config.quiet || session.config.json;
    let lines = Lines::new(session.console.clone(), session.config.verbose, quiet);
    lines.report(Event::Started { what: format!("getting {image} from the engine") });
    let taken = tokio::select! {
        taken = store.take(image) => taken,
        () = session.cancel.cancelled() => Err(cancelled()),
    };
    lines.stop_spinner();
    taken
}

/// Opens an image that is looked at: of a path, or one of the engine; else of a registry. `engine:NAME` is one of the
/// engine for certain, and a name with a host one of a registry.
pub(crate) async fn open(session: &Session<'_>, text: &str, transfer: &Transfer) -> Result<Tree> {
    if let Some(name) = text.strip_prefix("engine:") {
        return Ok(take(session, &name.parse()?).await?.into());
    }
    let source = text.parse::<Source>()?.below(&session.config.folder);
    if let Source::Registry(reference) = &source
        && reference.host().is_none()
        && let Ok(store) = session.engine_store()
        && store.has(reference).await.unwrap_or(false)
    {
        return Ok(take(session, reference).await?.into());
    }
    source.open(None, &Which::For(Platform::of_this_machine()), transfer).await
}

/// Deals with images of registries, and shows on stderr how far it is, until it is dropped.
pub(crate) struct Moving {
    pub(crate) transfer: Transfer,
    lines: Arc<Lines>,
}

impl Moving {
    pub(crate) fn new(session: &Session<'_>, access: Access) -> Self {
        let quiet = session.config.quiet || session.config.json;
        let lines = Arc::new(Lines::new(session.console.clone(), session.config.verbose, quiet));
        let transfer = Transfer { access, reporter: lines.clone(), cancel: session.cancel.clone() };
        Self { transfer, lines }
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.lines.stop_spinner();
    }
}

/// Returns which images of an index are meant: those for a platform if one is named.
pub(crate) fn which(platform: Option<&str>) -> Result<Option<Which>> {
    let platform = platform.map(str::parse::<Platform>).transpose();
    let platform = platform.map_err(|error| Error::new(codes::FLAGS, error.to_string()))?;
    Ok(platform.map(Which::For))
}

/// Parses the host of a registry.
pub(crate) fn host(text: &str) -> Result<RegistryHost> {
    text.parse().map_err(|error| {
        Error::new(codes::FLAGS, format!("`{text}` names no registry"))
            .because(error)
            .hint("write its host, with the port if it has one: `localhost:5000`, `docker.io`")
    })
}

/// Says that nobody could log in, with better advice than to log in.
pub(crate) fn no_login(host: &RegistryHost, error: RegistryError) -> Error {
    let action = format!("could not log in to `{host}`");
    if error.code() == codes::REGISTRY_CREDENTIALS {
        return Error::new(codes::REGISTRY_CREDENTIALS, action).because(error).hint(
            "look for a slip in user and password; some registries want an access token as the password",
        );
    }
    Error::wrap(action, error)
}
