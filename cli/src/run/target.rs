//! The port that a decorated program is to listen on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::say::beside;

/// Between two attempts to connect.
const KNOCK_EVERY: Duration = Duration::from_millis(50);

/// A program that takes longer is still waited for, but a person should know what is going on.
const SAY_SO_AFTER: Duration = Duration::from_secs(5);

/// A port of this machine. Programs that listen on `localhost` may mean either family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target([SocketAddr; 2]);

impl Target {
    /// That port.
    pub(super) fn on(port: u16) -> Self {
        let families = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self(families.map(|address| SocketAddr::new(address, port)))
    }

    /// Refuses a port on which somebody listens already: requests would go there, and look as if all were well.
    pub(super) async fn refuse_if_taken(&self) -> anyhow::Result<()> {
        match self.knock().await {
            Some(taken) => bail!("another program listens on {taken} already; choose another port with --target"),
            None => Ok(()),
        }
    }

    /// Waits until somebody accepts a connection, and tells on which address.
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

impl fmt::Display for Target {
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
        let target = Target::on(listener.local_addr().unwrap().port());

        assert_eq!(target.listening().await, listener.local_addr().unwrap());
        let refused = target.refuse_if_taken().await.unwrap_err().to_string();
        assert!(refused.starts_with("another program listens on [::1]:"), "{refused}");
    }
}
