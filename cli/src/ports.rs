//! Takes ports, before anything else is started, and says plainly when one is taken.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Where everything listens that is for this machine alone.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Why there is no listening on an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPort {
    /// Somebody else listens there.
    #[error("cannot listen on {address}: the port is taken by another program; choose another with {flag}")]
    Taken { address: SocketAddr, flag: &'static str },
    /// The system does not let us.
    #[error("cannot listen on {address}: the system does not allow it; choose another port with {flag}")]
    Forbidden { address: SocketAddr, flag: &'static str },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other { address: SocketAddr, source: io::Error },
}

/// Listens on `address`; `flag` is what to choose another port with.
pub(crate) fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, NoPort> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        // Whoever takes the listener over wants to await it.
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => NoPort::Taken { address, flag },
        ErrorKind::PermissionDenied => NoPort::Forbidden { address, flag },
        _ => NoPort::Other { address, source },
    })
}

/// Listens on any free port of this machine.
pub(crate) fn listen_anywhere() -> Result<(TcpListener, SocketAddr), NoPort> {
    let any = SocketAddr::new(LOOPBACK, 0);
    let listener = listen(any, "another machine")?;
    let address = listener.local_addr().map_err(|source| NoPort::Other { address: any, source })?;
    Ok((listener, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_flag_to_choose_another() {
        let (_taken, address) = listen_anywhere().unwrap();

        let error = listen(address, "--http-port").unwrap_err().to_string();

        let expected =
            format!("cannot listen on {address}: the port is taken by another program; choose another with --http-port");
        assert_eq!(error, expected);
    }
}
