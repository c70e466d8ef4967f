//! The client address of a request: the peer of its connection, or the address that a trusted proxy reports.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Proxies whose `X-Forwarded-For` is trusted: none unless they are configured, because any client can send it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The client address of a connection from `peer`: the last hop that is no trusted proxy.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.has(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
        let hops = lines.flat_map(|line| line.split(',').rev());
        let mut last = peer;
        for hop in hops {
            // A trusted proxy writes only addresses, so this entry and all before it are untrusted.
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
            last = hop.to_canonical();
            if !self.has(last) {
                break;
            }
        }
        last
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |part: &str| part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        let networks: Result<_, _> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect();
        networks
            .map(Self)
            .map_err(|_| "it must be a comma-separated list of addresses or networks, such as 10.0.0.7,10.1.0.0/16".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 1.2.3.4".parse().unwrap());
        headers.append("x-forwarded-for", "10.1.2.3".parse().unwrap());
        let caller = |trusted: &str, peer: &str| {
            trusted.parse::<TrustedProxies>().unwrap().caller(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(caller("", "10.0.0.7"), "10.0.0.7");
        assert_eq!(caller("10.0.0.7", "10.0.0.8"), "10.0.0.8");
        assert_eq!(caller("10.0.0.7", "10.0.0.7"), "10.1.2.3");
        assert_eq!(caller("10.0.0.0/8", "::ffff:10.0.0.7"), "1.2.3.4");
        assert!("10.0.0.0/99".parse::<TrustedProxies>().is_err() && "proxy".parse::<TrustedProxies>().is_err());
    }
}
