//! A network of its own for each project, with an address block that nobody else has.

use std::{
    collections::HashMap,
    fs,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{
    models::{Ipam, IpamConfig, Network, NetworkCreateRequest},
    query_parameters::ListNetworksOptions,
};
use wharf_spec::{label, name::ProjectName};

use super::{
    Docker,
    refusal::{Refusal, meaning},
};
use crate::error::{EngineError, Result};

/// One lock for each project, so that tasks of one process do not run into each other. Between processes the name
/// of the bridge decides: Docker 20.10 makes two networks of one name, but never two of one bridge.
#[derive(Debug, Default)]
pub(super) struct ProjectLocks(Mutex<HashMap<ProjectName, Arc<tokio::sync::Mutex<()>>>>);

impl ProjectLocks {
    fn of(&self, project: &ProjectName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().expect("nobody panics while holding it");
        locks.entry(project.clone()).or_default().clone()
    }
}

impl Docker {
    /// Makes the project's network where it is missing, and returns how containers name it.
    pub(super) async fn ensure_network(&self, project: &ProjectName) -> Result<String> {
        let lock = self.locks.of(project);
        let _guard = lock.lock().await;
        if let Some(network) = self.oldest_network(project).await? {
            return self.handle(&network);
        }
        self.make_network(project).await?;
        let network = self.awaited_network(project).await?;
        self.handle(&network)
    }

    /// Removes every network of a project; its containers are gone already.
    pub(super) async fn remove_networks(&self, project: &ProjectName) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(100);
        const TRIES: u32 = 50;
        let lock = self.locks.of(project);
        let _guard = lock.lock().await;
        for network in self.networks_of(project).await? {
            let handle = network.id.unwrap_or_default();
            let mut tries = 0;
            while let Err(error) = self.connection.client.remove_network(&handle).await {
                match meaning(&error) {
                    Refusal::Gone | Refusal::NetworkGone => break,
                    // The last container lets go of it a moment after it is gone.
                    Refusal::NetworkBusy if tries < TRIES => tries += 1,
                    _ => {
                        let action = format!("remove the network of project `{project}`");
                        return Err(self.connection.refused(action, error));
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn make_network(&self, project: &ProjectName) -> Result<()> {
        let mut used = used_blocks(&self.networks().await?);
        if self.about.is_local {
            // A virtual private network of this machine has its addresses there too.
            used.extend(routes(&fs::read_to_string("/proc/net/route").unwrap_or_default()));
        }
        for block in pool().filter(|block| !used.iter().any(|other| other.overlaps(*block))) {
            match self.connection.client.create_network(request(project, block)).await {
                Ok(_) => return Ok(()),
                Err(error) => match meaning(&error) {
                    // The engine is the referee of blocks: its records go before ours.
                    Refusal::Overlap => {}
                    // And of bridges, or of names where it is strict: another process was first.
                    Refusal::NameTaken => return Ok(()),
                    _ => {
                        let action = format!("make a network for project `{project}`");
                        return Err(self.connection.refused(action, error));
                    }
                },
            }
        }
        Err(EngineError::NetworksUsedUp)
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        let listed = self.connection.client.list_networks(None::<ListNetworksOptions>).await;
        listed.map_err(|error| self.connection.refused("list the networks", error))
    }

    async fn networks_of(&self, project: &ProjectName) -> Result<Vec<Network>> {
        let mut networks = self.networks().await?;
        networks.retain(|network| {
            let labels = network.labels.as_ref();
            let of = labels.and_then(|labels| labels.get(label::PROJECT));
            of.is_some_and(|name| name == project.as_str())
        });
        Ok(networks)
    }

    async fn oldest_network(&self, project: &ProjectName) -> Result<Option<Network>> {
        let networks = self.networks_of(project).await?;
        let age = |network: &Network| {
            let created = network.created.as_ref().and_then(|time| time.parse().ok());
            (created.unwrap_or(jiff::Timestamp::MAX), network.id.clone())
        };
        Ok(networks.into_iter().min_by_key(age))
    }

    /// Returns the project's network, which somebody is making or has just made.
    async fn awaited_network(&self, project: &ProjectName) -> Result<Network> {
        const PAUSE: Duration = Duration::from_millis(50);
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            if let Some(network) = self.oldest_network(project).await? {
                return Ok(network);
            }
            tokio::time::sleep(PAUSE).await;
        }
        // Its name or bridge belongs to something that is not ours.
        Err(EngineError::Conflict { name: network_name(project) })
    }

    fn handle(&self, network: &Network) -> Result<String> {
        let handle = if self.quirks.networks_by_name { &network.name } else { &network.id };
        handle.clone().ok_or_else(|| EngineError::Refused {
            action: "name the project's network".to_owned(),
            source: "the engine gives it neither name nor id".into(),
        })
    }
}

fn network_name(project: &ProjectName) -> String {
    format!("wharf-{project}")
}

fn request(project: &ProjectName, block: Block) -> NetworkCreateRequest {
    let config = IpamConfig { subnet: Some(block.to_string()), ..IpamConfig::default() };
    NetworkCreateRequest {
        name: network_name(project),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        options: Some(HashMap::from([(
            "com.docker.network.bridge.name".to_owned(),
            bridge_name(project),
        )])),
        labels: Some(HashMap::from([(label::PROJECT.to_owned(), project.to_string())])),
        ..NetworkCreateRequest::default()
    }
}

/// All of wharf's bridges begin alike, so that one firewall rule covers them; the kernel takes 15 characters.
fn bridge_name(project: &ProjectName) -> String {
    let hash = blake3::hash(project.as_str().as_bytes());
    format!("wh-{}", &hash.to_hex()[..12])
}

/// A block of addresses, such as 10.200.3.0/24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    start: u32,
    /// How many bits are fixed, up to 32.
    length: u32,
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.start), self.length)
    }
}

impl Block {
    /// Reads a block; `None` for IPv6 and other texts.
    fn parse(text: &str) -> Option<Self> {
        let (start, length) = text.split_once('/')?;
        let start: Ipv4Addr = start.parse().ok()?;
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        Some(Self { start: start.to_bits(), length })
    }

    fn overlaps(self, other: Self) -> bool {
        let common = self.length.min(other.length);
        let mask = u32::MAX.checked_shl(32 - common).unwrap_or(0);
        self.start & mask == other.start & mask
    }
}

/// Returns the blocks that networks are given: 2,048 of 10.200.0.0/13. Engines' own pools hold about 31.
fn pool() -> impl Iterator<Item = Block> {
    let first = Ipv4Addr::new(10, 200, 0, 0).to_bits();
    (0..2_048).map(move |index| Block { start: first + (index << 8), length: 24 })
}

fn used_blocks(networks: &[Network]) -> Vec<Block> {
    let configs = networks.iter().filter_map(|network| network.ipam.as_ref()?.config.as_ref());
    configs.flatten().filter_map(|config| Block::parse(config.subnet.as_ref()?)).collect()
}

/// Reads `/proc/net/route`: hexadecimal, in the machine's byte order. The default route covers everything and
/// does not count.
fn routes(table: &str) -> Vec<Block> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let number = |column: usize| {
            let digits = columns.get(column)?;
            u32::from_str_radix(digits, 16)
                .ok()
                .map(|number| u32::from_be_bytes(number.to_ne_bytes()))
        };
        let block = Block { start: number(1)?, length: number(7)?.leading_ones() };
        (block.length > 0).then_some(block)
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::parse(text).unwrap()
    }

    #[test]
    fn blocks_overlap_where_one_holds_the_other() {
        for (one, other, expect) in [
            ("10.200.0.0/24", "10.200.0.0/24", true),
            ("10.200.0.0/24", "10.200.1.0/24", false),
            ("10.0.0.0/8", "10.200.1.0/24", true),
            ("10.200.1.7/32", "10.200.1.0/24", true),
            ("0.0.0.0/0", "10.200.1.0/24", true),
        ] {
            assert_eq!(block(one).overlaps(block(other)), expect, "{one} {other}");
            assert_eq!(block(other).overlaps(block(one)), expect, "{other} {one}");
        }
    }

    #[test]
    fn the_pool_is_10_200_with_13_bits() {
        let blocks: Vec<Block> = pool().collect();
        assert_eq!((blocks[0], blocks[2_047]), (block("10.200.0.0/24"), block("10.207.255.0/24")));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_without_the_default() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     tun0\t0000C80A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                     broken\n";
        assert_eq!(routes(table), [block("10.200.0.0/16")]);
    }

    #[test]
    fn what_is_asked_for_names_project_block_and_bridge() {
        let asked = request(&"default".parse().unwrap(), block("10.200.3.0/24"));
        let bridge = &asked.options.as_ref().unwrap()["com.docker.network.bridge.name"];
        assert!(bridge.starts_with("wh-") && bridge.len() == 15, "{bridge}");
        assert_eq!(asked.name, "wharf-default");
        assert_eq!(asked.labels.unwrap()[label::PROJECT], "default");
        assert_eq!(asked.ipam.unwrap().config.unwrap()[0].subnet.as_deref(), Some("10.200.3.0/24"));
    }
}
