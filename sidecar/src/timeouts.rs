//! How long each part of an exchange may take before the sidecar gives up on it.

use std::time::Duration;

/// The times. What is `None` may take as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the service accepts a connection.
    pub connect: Duration,
    /// Until a request's head is whole, from its first byte.
    pub head: Duration,
    /// Between two requests of one connection; longer if the service keeps its connections for longer.
    pub idle: Duration,
    /// For which nothing may come of a request's body.
    pub body: Option<Duration>,
    /// Until the answer's first byte, from the request's head.
    pub answer: Option<Duration>,
    /// Until the answer's last byte, from the request's head.
    pub exchange: Option<Duration>,
    /// For which a tunnel may be silent: an upgraded connection, or one that is no HTTP.
    pub tunnel: Option<Duration>,
    /// The same once one of its sides has finished.
    pub half_closed: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // The service is on the same machine.
            connect: Duration::from_secs(1),
            // Longer is a very slow network, or somebody who holds connections.
            head: Duration::from_secs(10),
            // Balancers reuse a connection for 60 s, and services are set to keep theirs for a little longer.
            idle: Duration::from_secs(75),
            // A client that is alive sends something; each that does not holds a connection of the service.
            body: Some(Duration::from_secs(60)),
            // How long an answer is worth waiting for only the service and its callers know.
            answer: None,
            exchange: None,
            // A connection that waits for something to happen may wait for days; one whose other end has vanished
            // is found out by the kernel.
            tunnel: None,
            // The side that has finished may be gone for good, which only shows when it is sent something.
            half_closed: Duration::from_secs(5 * 60),
        }
    }
}
