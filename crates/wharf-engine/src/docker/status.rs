//! What the engine says of a container, in our words. Pure, and tested on recorded answers.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as State, HealthStatusEnum,
    NetworkSettings, RestartPolicyNameEnum,
};
use wharf_spec::{
    label,
    status::{Endpoint, Exit, Health, Phase, Status},
};

use super::podman::Quirks;

/// Returns the status of a workload; `None` when the container's labels are not those of one.
pub(super) fn status(container: &ContainerInspectResponse, quirks: &Quirks) -> Option<Status> {
    let labels = labels_of(container);
    let read = label::read(&labels)?;
    let state = container.state.clone().unwrap_or_default();
    let config = container.config.as_ref();
    let phase = phase(&state, is_kept_running(container));
    Some(Status {
        id: read.id,
        attempt: read.attempt,
        kind: read.kind,
        phase,
        health: if phase == Phase::Running { health(&state, quirks) } else { Health::Unknown },
        exit: exit(&state),
        image: config.and_then(|config| config.image.clone()).unwrap_or_default(),
        endpoints: match phase {
            Phase::Running | Phase::Restarting => endpoints(container.network_settings.as_ref()),
            Phase::Pending | Phase::Stopped | Phase::Succeeded | Phase::Failed => Vec::new(),
        },
        restarts: container.restart_count.and_then(|count| count.try_into().ok()).unwrap_or(0),
        created: container.created.as_deref().and_then(utc),
        started: state.started_at.as_deref().and_then(utc),
        labels,
        handle: container.id.clone().unwrap_or_default(),
    })
}

/// Returns a container's labels.
pub(super) fn labels_of(container: &ContainerInspectResponse) -> BTreeMap<String, String> {
    let labels = container.config.as_ref().and_then(|config| config.labels.clone());
    labels_that_count(labels.into_iter().flatten())
}

/// Leaves out labels of ours that are empty. An image made of a container has the container's labels, and no
/// engine removes a label: it can only be emptied.
pub(super) fn labels_that_count(
    labels: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let counts = |name: &str, value: &str| !(name.starts_with(label::PREFIX) && value.is_empty());
    labels.into_iter().filter(|(name, value)| counts(name, value)).collect()
}

fn phase(state: &ContainerState, is_kept_running: bool) -> Phase {
    match state.status.unwrap_or(State::EMPTY) {
        // A start that failed leaves its error, and nothing else.
        State::CREATED | State::EMPTY if exit(state).is_some() => Phase::Failed,
        State::CREATED | State::EMPTY => Phase::Pending,
        State::RUNNING | State::PAUSED | State::STOPPING => Phase::Running,
        State::RESTARTING => Phase::Restarting,
        // It would have been started again, had nobody asked it to end.
        State::EXITED | State::DEAD | State::REMOVING if is_kept_running => Phase::Stopped,
        State::EXITED | State::DEAD | State::REMOVING => match state.exit_code {
            Some(0) => Phase::Succeeded,
            // SIGTERM: who ends so was asked to.
            Some(143) => Phase::Stopped,
            _ => Phase::Failed,
        },
    }
}

fn is_kept_running(container: &ContainerInspectResponse) -> bool {
    let policy = container.host_config.as_ref().and_then(|host| host.restart_policy.as_ref());
    policy.and_then(|policy| policy.name) == Some(RestartPolicyNameEnum::UNLESS_STOPPED)
}

/// Returns how the process ended last; `None` while it runs or before it ever did.
pub(super) fn exit(state: &ContainerState) -> Option<Exit> {
    let code = state.exit_code.unwrap_or(0);
    let error = state.error.clone().filter(|error| !error.is_empty());
    match state.status.unwrap_or(State::EMPTY) {
        State::RUNNING | State::PAUSED | State::STOPPING => return None,
        State::CREATED | State::EMPTY if code == 0 && error.is_none() => return None,
        _ => {}
    }
    // A child that was killed sets the mark too, whatever the process itself makes of it.
    let out_of_memory = state.oom_killed == Some(true) && code != 0;
    Some(Exit { code, out_of_memory, error })
}

fn health(state: &ContainerState, quirks: &Quirks) -> Health {
    let Some(health) = &state.health else { return Health::Unknown };
    let never_checked = health.log.as_ref().is_none_or(Vec::is_empty);
    match health.status.unwrap_or(HealthStatusEnum::EMPTY) {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::Unknown,
        HealthStatusEnum::STARTING if never_checked && quirks.health_may_not_run => Health::Unknown,
        HealthStatusEnum::STARTING => Health::Starting,
        HealthStatusEnum::HEALTHY => Health::Healthy,
        HealthStatusEnum::UNHEALTHY => Health::Unhealthy,
    }
}

/// Returns published TCP ports, sorted.
fn endpoints(network: Option<&NetworkSettings>) -> Vec<Endpoint> {
    let ports = network.and_then(|network| network.ports.as_ref());
    let mut found: Vec<Endpoint> = ports
        .into_iter()
        .flatten()
        .filter_map(|(name, bindings)| {
            Some((name.strip_suffix("/tcp")?.parse::<u16>().ok()?, bindings.as_ref()?))
        })
        .flat_map(|(container_port, bindings)| {
            bindings.iter().filter_map(move |binding| {
                // While a container is being started, the engine may not have given it a port yet.
                let host_port =
                    binding.host_port.as_ref()?.parse().ok().filter(|port| *port > 0)?;
                // Podman leaves the address empty for all of them.
                let address = binding.host_ip.as_deref().filter(|ip| !ip.is_empty());
                let address = address.unwrap_or("0.0.0.0").parse().ok()?;
                Some(Endpoint { container_port, host_port, address })
            })
        })
        .collect();
    found.sort_by_key(|end| (end.container_port, end.host_port, end.address));
    found
}

/// Returns a time in UTC; engines write year 1 for "never".
pub(super) fn utc(time: &str) -> Option<String> {
    let time: jiff::Timestamp = time.parse().ok()?;
    (time > jiff::Timestamp::UNIX_EPOCH).then(|| time.to_string())
}

#[cfg(test)]
mod tests;
