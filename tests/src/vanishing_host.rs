//! A second host in a network namespace of its own, which can disappear without a word.

use std::net::Ipv4Addr;
use std::process::Command;

/// A host that is connected to this machine by a virtual cable.
pub struct VanishingHost {
    namespace: String,
    /// The address of this machine on the cable.
    pub here: Ipv4Addr,
    there: Ipv4Addr,
}

impl VanishingHost {
    /// Makes the host. Each process of a machine may have one: its name and its addresses are derived from the process id.
    #[track_caller]
    pub fn connect() -> Self {
        let id = std::process::id();
        // A network of two addresses (RFC 3021) in the range for tests between networks (RFC 2544, RFC 6890).
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (2 * id) % (1 << 17);
        let (here, there) = (Ipv4Addr::from(first), Ipv4Addr::from(first + 1));
        let (namespace, near, far) = (format!("sitio-{id}"), format!("sitio{id}a"), format!("sitio{id}b"));
        ip(&["netns", "add", &namespace]);
        let host = Self { namespace, here, there };
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &host.namespace]);
        ip(&["addr", "add", &format!("{here}/31"), "dev", &near]);
        ip(&["link", "set", &near, "up"]);
        ip(&["-n", &host.namespace, "addr", "add", &format!("{there}/31"), "dev", &far]);
        ip(&["-n", &host.namespace, "link", "set", &far, "up"]);
        host
    }

    /// A command that runs on the host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Takes the host's address away: it answers nothing any more, and closes nothing.
    #[track_caller]
    pub fn vanish(&self) {
        let far = format!("sitio{}b", std::process::id());
        ip(&["-n", &self.namespace, "addr", "del", &format!("{}/31", self.there), "dev", &far]);
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
