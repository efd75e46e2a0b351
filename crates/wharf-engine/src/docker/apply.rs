//! From a workload to a running container, or to nothing at all.

use std::collections::BTreeSet;

use bollard::{
    errors::Error,
    query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions},
};
use wharf_spec::{
    error::Source,
    label,
    status::{Exit, Status},
    workload::{HostPort, Workload, WorkloadKind},
};

use super::{
    Docker,
    refusal::{Refusal, meaning, words},
    status,
    workload::{body, container_name, mounts_a_socket},
};
use crate::{
    ImageFacts, Images,
    capability::Unsupported,
    check,
    error::{EngineError, Result},
};

/// How many ports are tried where one may be chosen.
const MOST_PORTS: usize = 200;
/// How often a network is made anew that vanishes between making it and using it.
const MOST_NETWORKS: usize = 3;

/// Why a container that was made does not run; nothing of it is left.
enum NotStarted {
    PortTaken(u16),
    NetworkGone,
    /// Somebody made a container of that name at the same time.
    NameTaken,
    Failed(EngineError),
}

/// A process that never ran. The engine's own words are the cause.
#[derive(Debug, thiserror::Error)]
#[error("{meaning} (exit code {code})")]
struct NeverRan {
    code: i64,
    meaning: &'static str,
    #[source]
    words: Source,
}

impl Docker {
    pub(super) async fn apply_workload(&self, workload: &Workload) -> Result<Status> {
        check(self, workload)?;
        if mounts_a_socket(workload, self.socket.as_deref()) {
            let instead =
                "a folder that does not hold the engine's socket, which is as good as root";
            let missing = vec![Unsupported { field: "mounts", instead }];
            return Err(EngineError::Unsupported { engine: self.name, missing });
        }
        match self.already_there(workload).await? {
            Some(status) => Ok(status),
            None => self.make(workload).await,
        }
    }

    /// Takes what is there under the workload's name, if it is the same.
    async fn already_there(&self, workload: &Workload) -> Result<Option<Status>> {
        let name = container_name(&workload.id);
        let Some(container) = self.connection.inspect(&name).await? else { return Ok(None) };
        let labels = status::labels_of(&container);
        let is_same = label::read(&labels).is_some_and(|read| {
            read.id == workload.id
                && read.attempt == workload.attempt
                && read.spec_digest == Some(workload.spec_digest())
        });
        let found = status::status(&container, &self.quirks).filter(|_| is_same);
        let Some(found) = found else { return Err(EngineError::Conflict { name }) };
        let state = container.state.unwrap_or_default();
        let has_run = state.started_at.as_deref().and_then(status::utc).is_some();
        let has_ended = has_run && status::exit(&state).is_some();
        // A job that has ended is done; to run it again is another generation or attempt.
        if state.running == Some(true) || (has_ended && workload.kind == WorkloadKind::Job) {
            return Ok(Some(found));
        }
        match self.start_made(workload, &found.handle, &[]).await {
            Ok(status) => Ok(Some(status)),
            // What was left half-done by others is made anew.
            Err(NotStarted::NetworkGone | NotStarted::PortTaken(_)) => Ok(None),
            Err(NotStarted::NameTaken) => Err(EngineError::Conflict { name }),
            Err(NotStarted::Failed(error)) => Err(error),
        }
    }

    async fn make(&self, workload: &Workload) -> Result<Status> {
        let no_image = || EngineError::NoImage { image: workload.image.clone() };
        let image = self.find(&workload.image).await?.ok_or_else(no_image)?;
        refuse_our_labels(workload, &image)?;
        let mut refused = BTreeSet::new();
        let mut networks = 0;
        let mut network = self.ensure_network(&workload.id.project).await?;
        for _ in 0..MOST_PORTS {
            let ports = self.choose_ports(workload, &refused).await?;
            match self.try_to_run(workload, &network, &ports).await {
                Ok(status) => return Ok(status),
                Err(NotStarted::PortTaken(port)) if may_choose(workload, &ports, port) => {
                    refused.insert(port);
                }
                Err(NotStarted::PortTaken(port)) => return Err(self.port_taken(port).await),
                Err(NotStarted::NetworkGone) if networks < MOST_NETWORKS => {
                    networks += 1;
                    network = self.ensure_network(&workload.id.project).await?;
                }
                Err(NotStarted::NetworkGone) => {
                    let action = format!("start `{}`", workload.id.name);
                    let source = "the project's network vanishes again and again".into();
                    return Err(EngineError::Refused { action, source });
                }
                // The other one's is taken if it is the same; if it is gone again, there is room for ours.
                Err(NotStarted::NameTaken) => {
                    if let Some(status) = Box::pin(self.already_there(workload)).await? {
                        return Ok(status);
                    }
                }
                Err(NotStarted::Failed(error)) => return Err(error),
            }
        }
        let port = refused.last().copied().unwrap_or_default();
        Err(EngineError::PortTaken { port, holder: None })
    }

    async fn try_to_run(
        &self,
        workload: &Workload,
        network: &str,
        ports: &[u16],
    ) -> Result<Status, NotStarted> {
        let name = container_name(&workload.id);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let asked = body(workload, network, ports, &self.quirks);
        match self.connection.client.create_container(Some(options), asked).await {
            Ok(created) => self.start_made(workload, &created.id, ports).await,
            Err(error) => Err(match meaning(&error) {
                Refusal::NameTaken => NotStarted::NameTaken,
                Refusal::NetworkGone => NotStarted::NetworkGone,
                Refusal::NoImage => {
                    NotStarted::Failed(EngineError::NoImage { image: workload.image.clone() })
                }
                _ => {
                    let action = format!("make a container for `{}`", workload.id.name);
                    NotStarted::Failed(self.connection.refused(action, error))
                }
            }),
        }
    }

    /// Starts a container that was made; when that fails, removes it.
    async fn start_made(
        &self,
        workload: &Workload,
        handle: &str,
        ports: &[u16],
    ) -> Result<Status, NotStarted> {
        let started = {
            let _permit = self.starts.acquire().await.expect("the semaphore is never closed");
            let client = &self.connection.client;
            client.start_container(handle, None::<StartContainerOptions>).await
        };
        let Err(error) = started else {
            let found = self.connection.get(&workload.id).await.map_err(NotStarted::Failed)?;
            return Ok(self.status_of(&found));
        };
        let why = match meaning(&error) {
            Refusal::PortTaken => NotStarted::PortTaken(port_in(&error.to_string(), ports)),
            Refusal::NetworkGone => NotStarted::NetworkGone,
            refusal => NotStarted::Failed(self.never_ran(workload, refusal, error)),
        };
        self.remove(handle).await.map_err(NotStarted::Failed)?;
        Err(why)
    }

    fn never_ran(&self, workload: &Workload, refusal: Refusal, error: Error) -> EngineError {
        let action = format!("start `{}`", workload.id.name);
        let code = match refusal {
            Refusal::NoCommand => 127,
            Refusal::CommandDenied => 126,
            _ => return self.connection.refused(action, error),
        };
        let meaning = Exit::with_code(code).meaning().expect("both codes have a meaning");
        let source = NeverRan { code, meaning, words: words(error) };
        EngineError::Refused { action, source: source.into() }
    }
}

/// A container takes over the labels of its image. Those of wharf say whose a container is, so an image may not
/// bring any.
fn refuse_our_labels(workload: &Workload, image: &ImageFacts) -> Result<()> {
    match image.labels.keys().find(|name| name.starts_with(label::PREFIX)) {
        None => Ok(()),
        Some(name) => Err(EngineError::Refused {
            action: format!("run image `{}`", workload.image),
            source: format!(
                "it has a label `{name}`; labels that begin with `{}` are kept for wharf itself",
                label::PREFIX
            )
            .into(),
        }),
    }
}

fn may_choose(workload: &Workload, ports: &[u16], port: u16) -> bool {
    let asked = workload.ports.iter().zip(ports).find(|(_, chosen)| **chosen == port);
    asked.is_some_and(|(asked, _)| matches!(asked.host, HostPort::From(_)))
}

/// Returns which of the ports a refusal is about; the first where it does not say.
fn port_in(message: &str, ports: &[u16]) -> u16 {
    let names = |port: u16| {
        let end = format!(":{port}");
        message.match_indices(&end).any(|(at, _)| {
            !message[at + end.len()..].starts_with(|next: char| next.is_ascii_digit())
        })
    };
    let named = ports.iter().copied().find(|port| names(*port));
    named.or(ports.first().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_taken_port_is_read_from_the_refusal() {
        let message = "Bind for 127.0.0.1:8081 failed: port is already allocated";
        assert_eq!(port_in(message, &[808, 8081]), 8081);
        assert_eq!(port_in(message, &[80, 9000]), 80);
        assert_eq!(port_in("unknown", &[]), 0);
    }
}
