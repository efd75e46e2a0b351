//! Who predicts: a service by its name or address, or a model at a path, which is served for as long as it takes.

use std::{path::Path, process::Stdio, time::Duration};

use wharf_ops::{
    error::{Error, Result},
    predict::server::Server,
    service,
};
use wharf_spec::name::WorkloadName;

use crate::commands::{
    Session,
    serve::{
        process::{Listen, Process},
        python::PythonArgs,
    },
};

/// A server, and the process that it is, where it is ours.
pub(super) struct Target {
    pub(super) server: Server,
    _process: Option<Process>,
}

impl Target {
    /// Finds it: a name is a service's, and a path has something that names have not: `./iris`, `iris.json`.
    pub(super) async fn find(
        session: &Session<'_>,
        written: &str,
        patience: Duration,
    ) -> Result<Self> {
        if written.contains("://") {
            return Ok(Self { server: Server::new(written, patience)?, _process: None });
        }
        match written.parse() {
            Ok(name) => Self::of_service(session, &name, patience).await,
            Err(_) => Self::of_model(session, written.as_ref(), patience).await,
        }
    }

    async fn of_service(
        session: &Session<'_>,
        name: &WorkloadName,
        patience: Duration,
    ) -> Result<Self> {
        let address = async { service::address(&session.context().await?, name).await };
        let address = address.await.map_err(|error| {
            let is_path = session.config.folder.join(name.as_str()).exists();
            let hint = format!("the model in that folder is `./{name}`");
            if is_path { error.hint(hint) } else { error }
        })?;
        Ok(Self { server: Server::new(&address, patience)?, _process: None })
    }

    async fn of_model(session: &Session<'_>, path: &Path, patience: Duration) -> Result<Self> {
        let model = session.recognise(path).await.map_err(|error: Error| {
            error.hint("a service is named as `wharf ps` lists it, or by its address")
        })?;
        let python = PythonArgs::default();
        let stderr = Stdio::piped();
        let mut process =
            Process::start(session, &model, &python, Listen::PRIVATE, "text", stderr).await?;
        // What it says of requests is nobody's concern.
        let port = process.ready(|_| {}).await?;
        let server = Server::new(&format!("http://127.0.0.1:{port}"), patience)?;
        Ok(Self { server, _process: Some(process) })
    }
}
