//! The port that the program of `sitio run` listens on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::stdout::beside;

/// The interval between two connection attempts.
const KNOCK_EVERY: Duration = Duration::from_millis(50);

/// After this time a message says that the program does not listen yet; the wait continues.
const SAY_SO_AFTER: Duration = Duration::from_secs(5);

/// A local port on both address families: a program that listens on `localhost` may use either.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalService([SocketAddr; 2]);

impl LocalService {
    /// The target for a port number.
    pub(super) fn on(port: u16) -> Self {
        let families = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self(families.map(|address| SocketAddr::new(address, port)))
    }

    /// Fails if another program listens on the port: it would receive the requests, and the error would not be visible.
    pub(super) async fn refuse_if_taken(&self) -> anyhow::Result<()> {
        match self.knock().await {
            Some(taken) => bail!("another program listens on {taken} already; choose another port with --target"),
            None => Ok(()),
        }
    }

    /// Waits until a connection is accepted, and returns its address.
    pub(super) async fn listening(&self) -> SocketAddr {
        let begin = Instant::now();
        let mut has_said_so = false;
        loop {
            if let Some(address) = self.knock().await {
                return address;
            }
            if !has_said_so && begin.elapsed() >= SAY_SO_AFTER {
                has_said_so = true;
                beside(&format!("sitio: nothing listens on {self} yet; still waiting"));
            }
            sleep(KNOCK_EVERY).await;
        }
    }

    async fn knock(&self) -> Option<SocketAddr> {
        for address in self.0 {
            if TcpStream::connect(address).await.is_ok() {
                return Some(address);
            }
        }
        None
    }
}

impl fmt::Display for LocalService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[0].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_program_is_found_on_either_family() {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
        let target = LocalService::on(listener.local_addr().unwrap().port());

        assert_eq!(target.listening().await, listener.local_addr().unwrap());
        let refused = target.refuse_if_taken().await.unwrap_err().to_string();
        assert!(refused.starts_with("another program listens on [::1]:"), "{refused}");
    }
}
