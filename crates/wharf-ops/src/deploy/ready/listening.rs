//! Where the processes of a container listen, as its kernel says: the usual reason why an app does not answer.

use wharf_spec::workload::WorkloadId;

use crate::context::Context;

/// A TCP socket that waits for connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket {
    pub(super) port: u16,
    /// Nobody outside of the container reaches it then.
    pub(super) is_loopback: bool,
}

/// Returns the sockets of a container; `None` where its image has no `cat` to ask with.
pub(super) async fn of(context: &Context, id: &WorkloadId) -> Option<Vec<Socket>> {
    let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned);
    let outcome = context.engine.exec()?.exec(id, &command).await.ok()?;
    outcome.output.contains("local_address").then(|| read(&outcome.output))
}

/// Says it in one sentence.
pub(super) fn shown(sockets: &[Socket]) -> String {
    if sockets.is_empty() {
        return "nothing in its container listens on any port".to_owned();
    }
    let one = |socket: &Socket| match socket.is_loopback {
        true => format!("{} (on 127.0.0.1 only)", socket.port),
        false => socket.port.to_string(),
    };
    let all: Vec<_> = sockets.iter().map(one).collect();
    format!("in its container something listens on port {}", all.join(", "))
}

/// Reads the kernel's table (`proc_pid_net(5)`): addresses are words of 32 bits in hex, little-endian.
fn read(table: &str) -> Vec<Socket> {
    const LISTENING: &str = "0A";
    /// Docker's own server for names, in every container of a network.
    const OF_ENGINE: &str = "0B00007F";
    let mut sockets: Vec<_> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (address, port) = words.next()?.split_once(':')?;
            let state = words.nth(1)?;
            let is_loopback = address.len() == 8 && address.ends_with("7F")
                || address == "00000000000000000000000001000000";
            let socket = Socket { port: u16::from_str_radix(port, 16).ok()?, is_loopback };
            (state == LISTENING && address != OF_ENGINE).then_some(socket)
        })
        .collect();
    sockets.sort_unstable();
    sockets.dedup();
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
            0: 0B00007F:9C4B 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            1: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            2: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            3: 020011AC:1388 010011AC:D2F0 01 00000000:00000000 00:00000000\n";
        let sockets = read(table);
        assert_eq!(
            shown(&sockets),
            "in its container something listens on port 5000, 8000 (on 127.0.0.1 only)"
        );
        assert_eq!(shown(&read("cat: not found")), "nothing in its container listens on any port");
    }
}
