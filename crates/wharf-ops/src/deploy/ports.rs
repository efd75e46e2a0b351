//! Which ports are published: those that were asked for, else the one on which the service listens by itself.

use std::net::IpAddr;

use wharf_spec::{
    event::Event,
    status::Status,
    workload::{HostPort, Port},
};

use super::source::Source;
use crate::{
    build::{Built, SERVER_PORT},
    context::Context,
    error::Result,
};

/// Ports of the host below belong to its own services.
const UNPRIVILEGED: u16 = 1024;

/// A port that is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish {
    /// `None`: the one on which the service listens by itself.
    pub container: Option<u16>,
    pub host: HostPort,
    /// The host's address.
    pub address: IpAddr,
}

/// Returns what is published; a port that wharf chose before is preferred.
pub(super) fn choose(
    context: &Context,
    source: &Source<'_>,
    built: &Built,
    asked: &[Publish],
    there: &[Status],
) -> Result<Vec<Port>> {
    let own = source.ports(built).first().copied();
    if asked.iter().all(|port| port.container.is_none()) {
        tell_choice(context, &source.ports(built));
    }
    if asked.is_empty() {
        let container = own.ok_or_else(|| source.no_port())?;
        let first = if container < UNPRIVILEGED { SERVER_PORT } else { container };
        let before = there.iter().flat_map(|status| &status.endpoints).next();
        let host = HostPort::From(before.map_or(first, |endpoint| endpoint.host_port));
        return Ok(vec![Port { container, host, address: IpAddr::from([127, 0, 0, 1]) }]);
    }
    let port = |asked: &Publish| {
        let Publish { container, host, address } = *asked;
        let container = container.or(own).ok_or_else(|| source.no_port())?;
        Ok(Port { container, host, address })
    };
    asked.iter().map(port).collect()
}

fn tell_choice(context: &Context, ports: &[u16]) {
    if let [first, others @ ..] = ports
        && !others.is_empty()
    {
        let others: Vec<_> = others.iter().map(u16::to_string).collect();
        let others = others.join(", ");
        let text = format!(
            "the image exposes {first} and {others}: {first} is published; for another, `-p HOST:CONTAINER`"
        );
        context.report(Event::Note { text });
    }
}
