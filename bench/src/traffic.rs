//! The traffic of a scenario: HTTP/1.1 from the load generator of this crate, or HTTP/2 from `h2load`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::h2load::Http2Load;
use crate::load::{HttpVersion, Load, LoadResult};
use crate::programs::{find, not_run};
use crate::{h2load, load, nghttpd};

/// A protocol and its load.
#[derive(Debug, Clone, Copy)]
pub enum Traffic {
    /// Carried by our own generator and origin.
    Http1(Load),
    /// Carried by `h2load` and `nghttpd`.
    Http2(Http2Load),
}

impl Traffic {
    /// Its protocol.
    pub fn version(self) -> HttpVersion {
        match self {
            Self::Http1(_) => HttpVersion::Http1,
            Self::Http2(_) => HttpVersion::Http2,
        }
    }

    /// Whether it is sent at a fixed rate, at which latencies can be compared.
    pub fn is_paced(self) -> bool {
        matches!(self, Self::Http1(Load { rate: Some(_), .. }))
    }

    /// Which of the programs that it needs are not installed, and how to install them.
    pub fn absent(self) -> Vec<String> {
        let needed: &[(&str, &str)] = match self {
            Self::Http1(_) => &[],
            Self::Http2(_) => &[(h2load::PROGRAM, h2load::HINT), (nghttpd::PROGRAM, nghttpd::HINT)],
        };
        let absent = needed.iter().filter(|(program, _)| find(program).is_none());
        absent.map(|(program, hint)| not_run("HTTP/2", program, hint)).collect()
    }

    /// Sends it to an address for this time.
    pub async fn run(self, address: SocketAddr, time: Duration) -> anyhow::Result<LoadResult> {
        match self {
            Self::Http1(load) => load::run(address, load, time, Arc::default()).await,
            Self::Http2(load) => h2load::run(address, load, time).await,
        }
    }
}
