//! A connection to one engine, and the questions that every part asks of it.

use std::{path::Path, sync::Arc, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker as Client, errors::Error, models::ContainerInspectResponse,
    query_parameters::InspectContainerOptions,
};
use wharf_spec::{label, workload::WorkloadId};

use super::{
    address::Address,
    podman,
    refusal::{Refusal, meaning, words},
    status,
    version::ApiVersion,
    workload::container_name,
};
use crate::error::{EngineError, Result};

/// For requests that last as long as what they wait for: stop, wait, pull, load.
const NO_LIMIT: Duration = Duration::from_hours(24 * 365);

/// A connection, cheap to copy.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) address: Arc<str>,
    /// Gives up after the client library's two minutes.
    pub(super) client: Client,
    /// Waits as long as it takes.
    pub(super) patient: Client,
}

impl Connection {
    /// Prepares a connection; nothing is sent yet.
    pub(super) fn new(address: &Address) -> Result<Self> {
        let seconds = 120;
        let client = match address {
            Address::Unix(path) => {
                Client::connect_with_unix(&utf8(path)?, seconds, API_DEFAULT_VERSION)
            }
            Address::Tcp { .. } => {
                Client::connect_with_http(&address.to_string(), seconds, API_DEFAULT_VERSION)
            }
        };
        let address: Arc<str> = address.to_string().into();
        match client {
            Ok(client) => {
                Ok(Self { address, patient: client.clone().with_timeout(NO_LIMIT), client })
            }
            Err(error) => {
                Err(EngineError::Host { host: address.to_string(), why: error.to_string() })
            }
        }
    }

    /// Sends every further request under this version of the API. The client library by itself names none, and
    /// an engine then answers in its newest, whatever was agreed.
    pub(super) fn speaking(self, version: ApiVersion) -> Self {
        let pin = move |mut request: bollard::BollardRequest| {
            let uri = request.uri();
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let start = uri.to_string();
            let start = start.strip_suffix(path).unwrap_or_default();
            let pinned = format!("{start}/v{version}{path}").parse();
            *request.uri_mut() = pinned.expect("an address with a longer path is an address");
            request
        };
        Self {
            address: self.address,
            client: self.client.with_request_modifier(pin),
            patient: self.patient.with_request_modifier(pin),
        }
    }

    /// Turns an error of the client into one of ours.
    pub(super) fn refused(&self, action: impl Into<String>, error: Error) -> EngineError {
        match meaning(&error) {
            Refusal::DiskFull => EngineError::DiskFull { source: words(error) },
            Refusal::NetworksUsedUp => EngineError::NetworksUsedUp,
            Refusal::Silent => {
                EngineError::Silent { address: self.address.to_string(), source: words(error) }
            }
            _ => EngineError::Refused { action: action.into(), source: words(error) },
        }
    }

    /// Looks at a container, by name or id; `None` when it is not there.
    pub(super) async fn inspect(
        &self,
        container: &str,
    ) -> Result<Option<ContainerInspectResponse>> {
        let ask = || self.client.inspect_container(container, None::<InspectContainerOptions>);
        match podman::once_settled(ask).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if meaning(&error) == Refusal::Gone => Ok(None),
            Err(error) => Err(self.refused(format!("look at container `{container}`"), error)),
        }
    }

    /// Looks at the container of a workload. One of the same name that is not ours counts as not there.
    pub(super) async fn find(&self, id: &WorkloadId) -> Result<Option<Found>> {
        let Some(container) = self.inspect(&container_name(id)).await? else { return Ok(None) };
        let labels = status::labels_of(&container);
        let is_ours = label::read(&labels).is_some_and(|read| read.id == *id);
        Ok(container.id.clone().filter(|_| is_ours).map(|handle| Found { handle, container }))
    }

    /// Looks at the container of a workload, which must be there.
    pub(super) async fn get(&self, id: &WorkloadId) -> Result<Found> {
        self.find(id).await?.ok_or_else(|| EngineError::NoWorkload { id: id.clone() })
    }
}

/// The container of a workload.
#[derive(Debug)]
pub(super) struct Found {
    /// The engine's id of it.
    pub(super) handle: String,
    pub(super) container: ContainerInspectResponse,
}

fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| EngineError::Host {
        host: path.display().to_string(),
        why: "the path is not UTF-8".to_owned(),
    })
}
