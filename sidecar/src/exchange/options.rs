//! The settings of the proxy.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use crate::decorator::Decorator;
use crate::forwarding::Forwarding;
use crate::head::HeadLimits;
use crate::protocol::Protocol;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::setting_values::{Paths, Patterns, number, paths, patterns};
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;

/// Default limit of streams. A gRPC channel holds one for each call, and calls that stream events stay open.
const STREAMS_MAX: u32 = 1000;

/// The smallest limit that RFC 9113, section 6.5.2, recommends.
const STREAMS_MIN: u32 = 100;

/// Upper bound of the setting: each stream may hold a window of a body.
const STREAMS_LIMIT: u32 = 100_000;

/// The settings that all workers of a sidecar share.
#[derive(Debug, Args)]
pub struct ProxyOptions {
    /// Where the service listens.
    #[arg(skip = ServiceAddr::Loopback(0))]
    pub target: ServiceAddr,
    /// How connections are treated: auto, http or tcp
    #[arg(long, env = "SITIO_PROTOCOL", default_value = "auto")]
    pub protocol: Protocol,
    /// Decorators around the service, in the order in which they see requests.
    #[arg(skip)]
    pub decorators: Vec<Arc<dyn Decorator>>,
    /// Patterns by which paths are named, separated by commas: /users/{name},/files/{path...} [default: none]
    #[arg(long, env = "SITIO_ROUTES", value_name = "PATTERNS", default_value = "", hide_default_value = true, value_parser = patterns)]
    pub routes: Patterns,
    /// Paths that no rule may turn off, separated by commas. By default those on which services commonly answer probes
    #[arg(long, env = "SITIO_PROTECTED", value_name = "PATHS", default_value = "/healthz,/livez,/readyz,/health", value_parser = paths)]
    pub protected: Paths,
    /// The timeouts.
    #[command(flatten)]
    pub timeouts: Timeouts,
    /// Limits of a message head.
    #[command(flatten)]
    pub limits: HeadLimits,
    /// Fields appended to requests, of via, x-forwarded-for, x-forwarded-proto and forwarded
    #[arg(long = "forwarded", env = "SITIO_FORWARDED", value_name = "NAMES", default_value = "none")]
    pub forwarding: Forwarding,
    /// Downstream connections held at once [default: 16384, or what descriptors allow]
    #[arg(long, env = "SITIO_CONNECTIONS_MAX", value_name = "COUNT", value_parser = connections)]
    pub connections_max: Option<u32>,
    /// Streams open at once on one HTTP/2 connection; more are refused and can be sent on another connection
    #[arg(long, env = "SITIO_STREAMS_MAX", value_name = "COUNT", default_value_t = STREAMS_MAX,
        value_parser = |value: &str| number(value, &(STREAMS_MIN..=STREAMS_LIMIT)))]
    pub streams_max: u32,
    /// The exchange bus, which publishes completed exchanges.
    #[arg(skip)]
    pub exchange_bus: Arc<ExchangeBus>,
    /// Whether the history keeps the queries of paths: keep or drop
    #[arg(long = "history-query", env = "SITIO_HISTORY_QUERY", value_name = "WORD", default_value = "drop")]
    pub queries: Queries,
}

/// Whether a stored path keeps its query. Queries may contain tokens and names of persons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Queries {
    /// The query is removed.
    #[default]
    Dropped,
    /// The query is stored with the path.
    Kept,
}

impl ProxyOptions {
    /// The settings for `target`: the program's defaults, but no protected paths.
    pub fn new(target: impl Into<ServiceAddr>) -> Self {
        Self {
            target: target.into(),
            protocol: Protocol::default(),
            decorators: Vec::new(),
            routes: Vec::new(),
            protected: Vec::new(),
            timeouts: Timeouts::default(),
            limits: HeadLimits::default(),
            forwarding: Forwarding::default(),
            connections_max: None,
            streams_max: STREAMS_MAX,
            exchange_bus: Arc::default(),
            queries: Queries::default(),
        }
    }
}

impl FromStr for Queries {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "keep" => Ok(Self::Kept),
            "drop" => Ok(Self::Dropped),
            _ => Err("keep or drop"),
        }
    }
}

fn connections(value: &str) -> Result<u32, &'static str> {
    let connections = value.parse().ok().filter(|connections| *connections > 0);
    connections.ok_or("a number of connections, at least 1")
}
