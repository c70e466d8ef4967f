//! The time limits of each part of an exchange, and their defaults.

use std::time::Duration;

use clap::Args;

use crate::setting_values::{TimeLimit, duration, time_limit};
use crate::socket::stream::KEEPALIVE;

/// Timeouts. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Timeouts {
    /// How long the service may take to accept a connection
    #[arg(long = "connect-timeout", env = "SITIO_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub connect: Duration,
    /// How long a request's head may take to arrive
    #[arg(long = "head-timeout", env = "SITIO_HEAD_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub head: Duration,
    /// How long a connection may be idle between requests; longer if the service's Keep-Alive says so
    #[arg(long = "idle-timeout", env = "SITIO_IDLE_TIMEOUT", value_name = "DURATION", default_value = "75s", value_parser = duration)]
    pub idle: Duration,
    /// How long a request's body may pause, or off
    #[arg(long = "body-timeout", env = "SITIO_BODY_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = time_limit)]
    pub body: TimeLimit,
    /// How long the service may take to begin a response, or off
    #[arg(long = "answer-timeout", env = "SITIO_ANSWER_TIMEOUT", value_name = "DURATION", default_value = "off", value_parser = time_limit)]
    pub answer: TimeLimit,
    /// How long a whole exchange may take, or off
    #[arg(long = "exchange-timeout", env = "SITIO_EXCHANGE_TIMEOUT", value_name = "DURATION", default_value = "off", value_parser = time_limit)]
    pub exchange: TimeLimit,
    /// How long a client that has closed its sending half may wait while the service sends nothing, or off
    #[arg(long = "abandon-grace", env = "SITIO_ABANDON_GRACE", value_name = "DURATION", default_value = "1s", value_parser = time_limit)]
    pub abandon: TimeLimit,
    /// How long a client may be silent before the kernel probes whether it is still there; it has vanished if it does not answer, or takes nothing of a response, for as long again
    #[arg(long = "keepalive", env = "SITIO_KEEPALIVE", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub keepalive: Duration,
    /// How long an upgraded connection, or one that is not HTTP, may be silent, or off
    #[arg(long = "tunnel-timeout", env = "SITIO_TUNNEL_TIMEOUT", value_name = "DURATION", default_value = "off", value_parser = time_limit)]
    pub tunnel: TimeLimit,
    /// The same once one of its sides has finished
    #[arg(long = "half-closed-timeout", env = "SITIO_HALF_CLOSED_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub half_closed: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // The service is on the same machine.
            connect: Duration::from_secs(1),
            // Only a very slow network or a slow-request attack takes longer.
            head: Duration::from_secs(10),
            // Load balancers reuse a connection for 60 s, and services keep theirs a little longer.
            idle: Duration::from_secs(75),
            // A working client sends something. A client that does not blocks a connection of the service.
            body: Some(Duration::from_secs(60)),
            // Only the service and its callers know how long a response may take.
            answer: None,
            exchange: None,
            // Nearly every client that closes its sending half has gone. A few scripts still wait, for an answer that
            // comes at once.
            abandon: Some(Duration::from_secs(1)),
            // Long enough to cost nothing, and shorter than the idle timeouts of most firewalls.
            keepalive: KEEPALIVE,
            // A connection that waits for an event may wait for days. The kernel detects a peer that has disappeared.
            tunnel: None,
            // The finished side may be gone, which is only detected when data is sent to it.
            half_closed: Duration::from_secs(5 * 60),
        }
    }
}
