//! Which port of the host a workload gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, TcpListener},
};

use bollard::query_parameters::ListContainersOptions;
use wharf_spec::workload::{HostPort, Workload};

use super::{Docker, podman};
use crate::error::{EngineError, Result};

impl Docker {
    /// Returns a port of the host for each port of the workload, leaving out those that were refused.
    ///
    /// # Errors
    /// When no port is free from the one asked for up to the last.
    pub(super) async fn choose_ports(
        &self,
        workload: &Workload,
        refused: &BTreeSet<u16>,
    ) -> Result<Vec<u16>> {
        let asked = &workload.ports;
        if asked.iter().all(|port| matches!(port.host, HostPort::Fixed(_))) {
            return choose(workload, |_, _| true);
        }
        let held = self.published_ports().await?;
        let is_free = |address: IpAddr, port: u16| {
            !refused.contains(&port)
                && !held.contains_key(&port)
                && (!self.about.is_local || TcpListener::bind((address, port)).is_ok())
        };
        choose(workload, is_free)
    }

    /// Returns the error for a port that is taken, with its holder where that is a container.
    pub(super) async fn port_taken(&self, port: u16) -> EngineError {
        // To name the holder is a courtesy: without an answer the error is the same.
        let held = self.published_ports().await.unwrap_or_default();
        EngineError::PortTaken { port, holder: held.get(&port).cloned() }
    }

    /// Returns the ports that running containers publish, whoever made them, with whose they are.
    async fn published_ports(&self) -> Result<BTreeMap<u16, String>> {
        let client = &self.connection.client;
        let ask = || client.list_containers(None::<ListContainersOptions>);
        let listed = podman::once_settled(ask).await;
        let listed =
            listed.map_err(|error| self.connection.refused("list the containers", error))?;
        let mut held = BTreeMap::new();
        for container in listed {
            let name = container.names.into_iter().flatten().next().unwrap_or_default();
            let holder = format!("container `{}`", name.trim_start_matches('/'));
            let ports = container.ports.into_iter().flatten().filter_map(|port| port.public_port);
            held.extend(ports.map(|port| (port, holder.clone())));
        }
        Ok(held)
    }
}

/// Fixed ports as they are, the others as the first free one from where they begin.
fn choose(workload: &Workload, is_free: impl Fn(IpAddr, u16) -> bool) -> Result<Vec<u16>> {
    let fixed = workload.ports.iter().filter_map(|port| match port.host {
        HostPort::Fixed(port) => Some(port),
        HostPort::From(_) => None,
    });
    let mut given: BTreeSet<u16> = fixed.collect();
    let mut chosen = Vec::with_capacity(workload.ports.len());
    for port in &workload.ports {
        chosen.push(match port.host {
            HostPort::Fixed(port) => port,
            HostPort::From(first) => {
                let free = (first.max(1)..=u16::MAX)
                    .find(|next| !given.contains(next) && is_free(port.address, *next))
                    .ok_or(EngineError::PortTaken { port: first, holder: None })?;
                given.insert(free);
                free
            }
        });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use wharf_spec::workload::{Port, WorkloadId, WorkloadKind};

    use super::*;

    fn check(asked: &[HostPort], taken: &[u16], expect: &[u16]) {
        let id =
            WorkloadId { project: "p".parse().unwrap(), name: "a".parse().unwrap(), generation: 1 };
        let mut workload = Workload::new(id, WorkloadKind::Service, "iris:1");
        let port =
            |host: &HostPort| Port { container: 80, host: *host, address: [127, 0, 0, 1].into() };
        workload.ports = asked.iter().map(port).collect();
        let chosen = choose(&workload, |_, port| !taken.contains(&port));
        assert_eq!(chosen.ok().as_deref(), Some(expect), "{asked:?}");
    }

    #[test]
    fn the_first_free_port_is_taken() {
        check(&[HostPort::From(8080)], &[], &[8080]);
        check(&[HostPort::From(8080)], &[8080, 8081, 8083], &[8082]);
        check(&[HostPort::From(0)], &[], &[1]);
    }

    #[test]
    fn no_port_is_given_twice() {
        let asked = [HostPort::From(80), HostPort::Fixed(81), HostPort::From(80)];
        check(&asked, &[], &[80, 81, 82]);
    }

    #[test]
    fn fixed_ports_are_left_to_the_engine() {
        check(&[HostPort::Fixed(80)], &[80], &[80]);
    }
}
