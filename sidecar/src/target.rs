//! The address where the service listens: TCP or a Unix socket.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpStream, UnixStream};

use crate::socket::stream::Stream;

/// The kernel's limit for a Unix socket's path, including the terminating zero (unix(7)).
const PATH_BYTES_MAX: usize = 108;

/// The service's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceAddr {
    /// A port of this machine's loopback, on 127.0.0.1 or on `[::1]`, whichever accepts.
    Loopback(u16),
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// The text is not a valid address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address such as 127.0.0.1:8087, [::1]:8087 or unix:/run/app.sock")]
pub struct NoTarget;

impl ServiceAddr {
    /// Connects to the service.
    pub async fn connect(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Loopback(port) => connect_loopback(*port).await,
            Self::Tcp(address) => TcpStream::connect(address).await.map(Stream::from),
            Self::Unix(path) => UnixStream::connect(path).await.map(Stream::from),
        }?;
        stream.keep_alive();
        Ok(stream)
    }

    /// The Host for an HTTP/1.0 request without one.
    pub fn host(&self) -> String {
        match self {
            Self::Loopback(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string(),
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The port, if the address is a loopback address of this machine.
    pub fn local_port(&self) -> Option<u16> {
        match self {
            Self::Loopback(port) => Some(*port),
            Self::Tcp(address) if address.ip().is_loopback() => Some(address.port()),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// The port, if the address has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Loopback(port) => Some(*port),
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

/// Connects to either loopback address. A service that listens on one refuses on the other immediately, so
/// trying both is free. If both fail, the first error is returned, because a machine may have no IPv6.
async fn connect_loopback(port: u16) -> io::Result<Stream> {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        Ok(socket) => Ok(socket.into()),
        Err(refused) => TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.map(Stream::from).map_err(|_| refused),
    }
}

impl From<SocketAddr> for ServiceAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl std::str::FromStr for ServiceAddr {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && path.len() < PATH_BYTES_MAX;
            return if is_path { Ok(Self::Unix(path.into())) } else { Err(NoTarget) };
        }
        // The only host name that means the same addresses on every machine.
        if let Some(port) = text.strip_prefix("localhost:") {
            return port.parse().ok().filter(|port| *port != 0).map(Self::Loopback).ok_or(NoTarget);
        }
        let address: SocketAddr = text.parse().map_err(|_| NoTarget)?;
        if address.port() == 0 || address.ip().is_unspecified() { Err(NoTarget) } else { Ok(Self::Tcp(address)) }
    }
}

impl fmt::Display for ServiceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "127.0.0.1:{port} or [::1]:{port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_distinguished_from_junk() {
        for (text, said) in [
            ("127.0.0.1:8087", "127.0.0.1:8087"),
            ("[::1]:8087", "[::1]:8087"),
            ("localhost:80", "127.0.0.1:80 or [::1]:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(text.parse::<ServiceAddr>().unwrap().to_string(), said);
        }
        let long = format!("unix:/{}", "a".repeat(PATH_BYTES_MAX));
        for junk in ["", "8087", "::1:8087x", "127.0.0.1:0", "0.0.0.0:80", "unix:", "unix:app.sock", "shop:80", &long] {
            assert!(junk.parse::<ServiceAddr>().is_err(), "{junk}");
        }
    }
}
