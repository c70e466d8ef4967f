//! A second host in a network namespace of its own, which can disappear without a word.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Hosts of one process, which has as many names and networks.
const HOSTS_MAX: u32 = 4;

/// A host that is connected to this machine by a virtual cable.
pub struct VanishingHost {
    namespace: String,
    /// The address of this machine on the cable.
    pub here: Ipv4Addr,
    /// The address of the host on the cable.
    pub there: Ipv4Addr,
    far: String,
}

impl VanishingHost {
    /// Makes the host. Its name and its addresses are derived from the process id.
    #[track_caller]
    pub fn connect() -> Self {
        static HOSTS: AtomicU32 = AtomicU32::new(0);
        let at = HOSTS.fetch_add(1, Ordering::Relaxed);
        assert!(at < HOSTS_MAX, "a process has at most {HOSTS_MAX} hosts");
        let id = HOSTS_MAX * std::process::id() + at;
        // A network of two addresses (RFC 3021) in the range for tests between networks (RFC 2544, RFC 6890).
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + 2 * id % (1 << 17);
        let (here, there) = (Ipv4Addr::from(first), Ipv4Addr::from(first + 1));
        let (namespace, near, far) = (format!("sitio-{id}"), format!("sitio{id}a"), format!("sitio{id}b"));
        ip(&["netns", "add", &namespace]);
        let host = Self { namespace, here, there, far: far.clone() };
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &host.namespace]);
        ip(&["addr", "add", &format!("{here}/31"), "dev", &near]);
        ip(&["link", "set", &near, "up"]);
        ip(&["-n", &host.namespace, "addr", "add", &format!("{there}/31"), "dev", &far]);
        ip(&["-n", &host.namespace, "link", "set", &far, "up"]);
        ip(&["-n", &host.namespace, "link", "set", "lo", "up"]);
        host
    }

    /// A command that runs on the host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Gives both ends of the cable an address of IPv6 (a unique local one, RFC 4193); returns that of the host.
    #[track_caller]
    pub fn add_ipv6(&self) -> Ipv6Addr {
        let [_, _, high, low] = self.there.octets();
        let address = |end| Ipv6Addr::new(0xfd00, 0x517, u16::from_be_bytes([high, low]), 0, 0, 0, 0, end);
        let near = self.far.replace('b', "a");
        ip(&["addr", "add", &format!("{}/64", address(1)), "dev", &near, "nodad"]);
        ip(&["-n", &self.namespace, "addr", "add", &format!("{}/64", address(2)), "dev", &self.far, "nodad"]);
        address(2)
    }

    /// Takes the host's address away: it answers nothing any more, and closes nothing.
    #[track_caller]
    pub fn vanish(&self) {
        ip(&["-n", &self.namespace, "addr", "del", &format!("{}/31", self.there), "dev", &self.far]);
    }
}

impl Drop for VanishingHost {
    fn drop(&mut self) {
        // Both ends of the cable go with the namespace.
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let line = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip").args(arguments).output().unwrap_or_else(|why| panic!("{line}: {why}; install iproute2"));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}; network namespaces need root, or CAP_NET_ADMIN and CAP_SYS_ADMIN", why.trim());
}
