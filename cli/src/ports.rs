//! Binds listening ports before anything else starts, with clear errors.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// The address of everything that only this machine may reach.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPort {
    /// Another program listens on it.
    #[error("cannot listen on {address}: the port is taken by another program; choose another with {flag}")]
    Taken { address: SocketAddr, flag: &'static str },
    /// The system does not permit it.
    #[error("cannot listen on {address}: the system does not allow it; choose another port with {flag}")]
    Forbidden { address: SocketAddr, flag: &'static str },
    /// Another error.
    #[error("cannot listen on {address}: {source}")]
    Other { address: SocketAddr, source: io::Error },
}

/// Listens on `address`. `flag` is the option by which the user can choose another port; errors name it.
pub(crate) fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, NoPort> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        // Tokio requires a non-blocking listener.
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => NoPort::Taken { address, flag },
        ErrorKind::PermissionDenied => NoPort::Forbidden { address, flag },
        _ => NoPort::Other { address, source },
    })
}

/// Listens on any free port of the loopback address.
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
