//! The time limits of each part of an exchange, and their defaults.

use std::time::Duration;

/// Timeouts. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to the service.
    pub connect: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a connection. It is extended if the service keeps its connections longer.
    pub idle: Duration,
    /// Between two pieces of a request's body.
    pub body: Option<Duration>,
    /// From the request's head to the response's first byte.
    pub answer: Option<Duration>,
    /// From the request's head to the response's last byte.
    pub exchange: Option<Duration>,
    /// Without any bytes on an upgraded or non-HTTP connection.
    pub tunnel: Option<Duration>,
    /// The same after one side has finished.
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
            // A connection that waits for an event may wait for days. The kernel detects a peer that has disappeared.
            tunnel: None,
            // The finished side may be gone, which is only detected when data is sent to it.
            half_closed: Duration::from_secs(5 * 60),
        }
    }
}
