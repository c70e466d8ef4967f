//! `sitio-sidecar redirect`: makes the kernel give inbound connections of a port to the sidecar's port.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::num::NonZeroU16;

use clap::Parser;

use crate::redirect::redirected_port::RedirectedPort;

#[cfg(target_os = "linux")]
mod nftables;
mod redirected_port;

/// The first argument that asks for a redirection.
pub const COMMAND: &str = "redirect";

/// Ports of one pod. An injection needs two: the application's, and one for its probes.
const PORTS_MAX: usize = 16;

/// Redirects inbound TCP connections to the sidecar, in the network namespace that it runs in.
///
/// It needs the capability NET_ADMIN, runs once, and ends; the rules stay until the namespace is gone. A second run
/// replaces them. Connections over loopback are not redirected, so the sidecar reaches the service on its own port.
#[derive(Debug, Parser)]
#[command(name = "sitio-sidecar redirect", bin_name = "sitio-sidecar redirect")]
pub struct RedirectOptions {
    /// Port, and the port that gets its connections instead, such as 8000:8080
    #[arg(value_name = "FROM:TO", required_unless_present = "remove", num_args = 1..=PORTS_MAX)]
    ports: Vec<RedirectedPort>,
    /// Remove the redirection
    #[arg(long, conflicts_with = "ports")]
    remove: bool,
}

/// Why the kernel has not redirected anything. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// A port is to be redirected to two others.
    #[error("port {0} is there twice: name each port once")]
    Twice(NonZeroU16),
    /// Not Linux.
    #[error("{0} has no nftables: only Linux can redirect")]
    System(&'static str),
    /// The kernel refuses it.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Kernel(#[from] nftables::NftablesError),
}

impl RedirectOptions {
    /// Reads the arguments behind the program's name; the first is [`COMMAND`].
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments)
    }

    /// Makes the kernel obey, all or nothing; returns what it does now, as a sentence.
    pub fn apply(&self) -> Result<String, RedirectError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.ports.iter().find(|ports| !seen.insert(ports.from)) {
            return Err(RedirectError::Twice(twice.from));
        }
        replace(&self.ports)?;
        if self.ports.is_empty() {
            return Ok("no port is redirected any more".to_owned());
        }
        let ports: Vec<String> = self.ports.iter().map(|RedirectedPort { from, to }| format!("{from} to {to}")).collect();
        Ok(format!("inbound connections are redirected: port {}", ports.join(", port ")))
    }
}

#[cfg(target_os = "linux")]
fn replace(ports: &[RedirectedPort]) -> Result<(), RedirectError> {
    Ok(nftables::replace(ports)?)
}

#[cfg(not(target_os = "linux"))]
fn replace(_: &[RedirectedPort]) -> Result<(), RedirectError> {
    Err(RedirectError::System(std::env::consts::OS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<RedirectOptions, String> {
        let all = [&[COMMAND], arguments].concat();
        RedirectOptions::from_arguments(all.into_iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn ports_are_pairs_of_two_different_numbers() {
        assert_eq!(parsed(&["8000:8080", "28085:8000"]).unwrap().ports.len(), 2);
        for wrong in ["8000", "8000:", ":8080", "0:8080", "8000:65536", "8000:+1", "8000:80:80", "a:b", "-1:2", "8000:8000", ""] {
            assert!(parsed(&[wrong]).is_err(), "{wrong}");
        }
        assert!(parsed(&["8000:8000"]).unwrap_err().contains("itself"));
        assert!(parsed(&["1"]).unwrap_err().contains("such as 8000:8080"));
    }

    #[test]
    fn nothing_to_do_and_too_much_to_do_are_refused() {
        assert!(parsed(&[]).is_err() && parsed(&["--remove", "1:2"]).is_err() && parsed(&["--remove"]).is_ok());
        let many: Vec<String> = (1..=PORTS_MAX + 1).map(|port| format!("{port}:9000")).collect();
        assert!(parsed(&many.iter().map(String::as_str).collect::<Vec<_>>()).is_err());
        let twice = parsed(&["8000:8080", "8000:8081"]).unwrap().apply().unwrap_err();
        assert!(matches!(twice, RedirectError::Twice(_)), "{twice}");
    }
}
