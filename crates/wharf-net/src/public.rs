//! Hosts that a server named and the user did not: asked in the public network alone. A name is judged by the addresses
//! that it leads to at the moment of connecting, since a name that looked well before may lead elsewhere by then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::address::Address;

/// Resolves names, and refuses those that lead to this machine or into a private network.
#[derive(Debug)]
pub(crate) struct PublicOnly {
    /// Named by the user, so they may be anywhere; what lies behind them is theirs to judge.
    proxies: Vec<String>,
}

/// Why a host is not asked.
#[derive(Debug, thiserror::Error)]
#[error("its name leads to {0}, which is not in the public network")]
pub(crate) struct NotPublic(pub(crate) IpAddr);

impl PublicOnly {
    /// Returns the resolver of a client that goes through these proxies.
    pub(crate) fn beside<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Self {
        let host = |text: &str| Url::parse(text).ok()?.host_str().map(str::to_owned);
        Self { proxies: proxies.into_iter().filter_map(host).collect() }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(&name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
            let private = found.iter().map(SocketAddr::ip).find(|address| !is_public(*address));
            match private {
                // One of them is enough: which one is taken is not for the name's owner to choose.
                Some(address) if !is_proxy => Err(NotPublic(address).into()),
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Refuses an address that is a number; those are never resolved.
pub(crate) fn check_number(address: &Address) -> Result<(), NotPublic> {
    match address.host().parse() {
        Ok(number) if !is_public(number) => Err(NotPublic(number)),
        _ => Ok(()),
    }
}

/// Says whether an address is one of the public network (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Carriers' own, protocol assignments, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv4 address in IPv6's clothes, by mapping or by NAT64.
    if let Some(inside) = address.to_ipv4_mapped() {
        return is_public_v4(inside);
    }
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // 6to4 and Teredo carry addresses too; nobody's storage is there.
    let is_tunnel = segments[0] == 0x2002 || segments[..2] == [0x2001, 0];
    let is_documentation = segments[..2] == [0x2001, 0xdb8];
    // Global unicast is 2000::/3; all else is local, multicast or not given out.
    segments[0] & 0xe000 == 0x2000 && !is_tunnel && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_of_private_networks_are_not_public() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text} passed");
        }
        for text in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(is_public(text.parse().unwrap()), "{text} was refused");
        }
    }
}
