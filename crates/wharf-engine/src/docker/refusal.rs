//! What an engine's refusal means. Codes alone do not tell: Docker and Podman use the same for many things, so
//! each row names codes *and* a fragment of the message.

use bollard::errors::Error;

/// What a refusal means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoImage,
    NameTaken,
    PortTaken,
    /// The network that a container belongs to was removed meanwhile.
    NetworkGone,
    /// The address block asked for is in use.
    Overlap,
    /// Containers of a network still run.
    NetworkBusy,
    NetworksUsedUp,
    DiskFull,
    /// Somebody else is removing it right now.
    BeingRemoved,
    /// What was asked about is not there.
    Gone,
    NoCommand,
    CommandDenied,
    /// No answer at all: the connection broke, or took too long.
    Silent,
    Other,
}

/// Codes (none is any), a fragment in lower case, and what both together mean; the first that fits counts.
/// Measured on Docker 20.10, 26.1 and Podman 4.3, whose code is 500 for nearly all.
const TABLE: &[(&[u16], &str, Refusal)] = &[
    (&[], "no space left on device", Refusal::DiskFull),
    (&[], "non-overlapping ipv4 address pool", Refusal::NetworksUsedUp),
    (&[], "all predefined address pools have been fully subnetted", Refusal::NetworksUsedUp),
    (&[], "pool overlaps with other one", Refusal::Overlap),
    (&[], "is already used on the host or by another config", Refusal::Overlap),
    (&[], "networks have same bridge name", Refusal::NameTaken),
    (&[], "port is already allocated", Refusal::PortTaken),
    (&[], "address already in use", Refusal::PortTaken),
    (&[], "ports are not available", Refusal::PortTaken),
    (&[403, 500], "has active endpoints", Refusal::NetworkBusy),
    (&[500], "network is being used", Refusal::NetworkBusy),
    (&[409], "removal of container", Refusal::BeingRemoved),
    (&[409], "is marked for removal", Refusal::BeingRemoved),
    (&[409, 500], "already in use", Refusal::NameTaken),
    (&[409, 500], "already exists", Refusal::NameTaken),
    (&[500], "already used", Refusal::NameTaken),
    (&[404], "no such image", Refusal::NoImage),
    (&[404], "image not known", Refusal::NoImage),
    (&[404, 500], "unable to find network", Refusal::NetworkGone),
    (&[404, 500], "network not found", Refusal::NetworkGone),
    (&[400, 500], "command that was not found", Refusal::NoCommand),
    (&[400, 500], "executable file not found", Refusal::NoCommand),
    (&[400, 500], "no such file or directory: unknown", Refusal::NoCommand),
    (&[400, 500], "permission denied: unknown", Refusal::CommandDenied),
    (&[400, 500], "oci permission denied", Refusal::CommandDenied),
    (&[400, 500], "is a directory: unknown", Refusal::CommandDenied),
];

/// Says what an error of the client means.
pub(super) fn meaning(error: &Error) -> Refusal {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            classify(*status_code, message)
        }
        Error::DockerStreamError { error } => classify(0, error),
        Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }
        | Error::SocketNotFoundError(_) => Refusal::Silent,
        _ => Refusal::Other,
    }
}

fn classify(code: u16, message: &str) -> Refusal {
    let message = message.to_lowercase();
    // `network 4c0…e1 not found`, with the id between the words.
    if code == 404 && message.starts_with("network ") && message.contains(" not found") {
        return Refusal::NetworkGone;
    }
    TABLE
        .iter()
        .find(|(codes, fragment, _)| {
            (codes.is_empty() || codes.contains(&code)) && message.contains(fragment)
        })
        .map(|(.., refusal)| *refusal)
        .unwrap_or(if code == 404 { Refusal::Gone } else { Refusal::Other })
}

/// Returns the engine's own words, without the client's around them.
pub(super) fn words(error: Error) -> wharf_spec::error::Source {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().into(),
        Error::DockerStreamError { error } => error.trim().into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of Docker 20.10.
    #[test]
    fn refusals_of_docker_are_understood() {
        let shim = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: ";
        let cases = [
            (404, "No such image: nope:1", Refusal::NoImage),
            (404, "No such container: wharf-p-a-1", Refusal::Gone),
            (
                409,
                "Conflict. The container name \"/a\" is already in use by container \"bc48\".",
                Refusal::NameTaken,
            ),
            (409, "removal of container wharf-p-a-1 is already in progress", Refusal::BeingRemoved),
            (
                500,
                "driver failed programming external connectivity on endpoint a (6a): Bind for 127.0.0.1:18083 failed: port is already allocated",
                Refusal::PortTaken,
            ),
            (
                500,
                "driver failed programming external connectivity on endpoint a (6a): Error starting userland proxy: listen tcp4 127.0.0.1:18082: bind: address already in use",
                Refusal::PortTaken,
            ),
            (404, "network d6bbffb0dc7e not found", Refusal::NetworkGone),
            (403, "Pool overlaps with other one on this address space", Refusal::Overlap),
            (
                403,
                "error while removing network: network a id d6 has active endpoints",
                Refusal::NetworkBusy,
            ),
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                Refusal::NetworksUsedUp,
            ),
            (500, "write /var/lib/docker/tmp/x: no space left on device", Refusal::DiskFull),
            (
                400,
                &format!("{shim}\"/bin/nope\": stat /bin/nope: no such file or directory: unknown"),
                Refusal::NoCommand,
            ),
            (
                400,
                &format!("{shim}\"nope\": executable file not found in $PATH: unknown"),
                Refusal::NoCommand,
            ),
            (
                400,
                &format!("{shim}\"/etc/passwd\": permission denied: unknown"),
                Refusal::CommandDenied,
            ),
            (500, "something else", Refusal::Other),
        ];
        for (code, message, expect) in cases {
            assert_eq!(classify(code, message), expect, "{code} {message}");
        }
    }

    /// Answers of Podman 4.3.
    #[test]
    fn refusals_of_podman_are_understood() {
        let cases = [
            (
                404,
                "failed to find image nope:1: docker.io/library/nope:1: No such image",
                Refusal::NoImage,
            ),
            (404, "no container with name or ID \"a\" found: no such container", Refusal::Gone),
            (
                500,
                "container create: creating container storage: the container name \"a\" is already in use by 1570. You have to remove that container to be able to reuse that name: that name is already in use",
                Refusal::NameTaken,
            ),
            (500, "network name wharf-pp already used: network already exists", Refusal::NameTaken),
            (
                500,
                "subnet 10.200.0.0/24 is already used on the host or by another config",
                Refusal::Overlap,
            ),
            (
                500,
                "cannot listen on the TCP port: listen tcp4 127.0.0.1:18082: bind: address already in use",
                Refusal::PortTaken,
            ),
            (
                500,
                "\"wharf-pp\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used",
                Refusal::NetworkBusy,
            ),
            (
                500,
                "runc create failed: exec: \"/bin/nope\": stat /bin/nope: no such file or directory\": OCI runtime attempted to invoke a command that was not found",
                Refusal::NoCommand,
            ),
        ];
        for (code, message, expect) in cases {
            assert_eq!(classify(code, message), expect, "{code} {message}");
        }
    }
}
