//! Reserves ports for programs that stop and restart on the same port.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// A reserved loopback port: bound while this lives, but never listened on. The kernel does not assign it as a free
/// port, but another process can bind it by number.
pub struct ReservedPort {
    /// The port.
    pub port: u16,
    _holder: OwnedFd,
}

impl ReservedPort {
    /// Reserves a free port.
    #[track_caller]
    pub fn reserve() -> Self {
        let holder = socket(AddressFamily::INET, SocketType::STREAM, None).expect("there is a socket");
        set_socket_reuseaddr(&holder, true).expect("a fresh socket can be shared");
        bind(&holder, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("there is a free port");
        let address = getsockname(&holder).ok().and_then(|address| SocketAddr::try_from(address).ok());
        Self { port: address.expect("a bound socket has an address").port(), _holder: holder }
    }
}
