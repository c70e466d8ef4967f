//! The service behind every proxy in the HTTP/2 scenarios: `nghttpd`, in clear and with prior knowledge.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process::Proxy;
use crate::programs::{find, free_port};

/// The program.
pub const PROGRAM: &str = "nghttpd";
/// How to install it.
pub const HINT: &str = "apt-get install nghttp2-server";

/// The file that it serves, and so the path of every request.
pub const FILE: &str = "users/42";

/// Streams that it allows on one connection. Envoy is configured with it: its first requests come before
/// the settings that say so, and those over the limit would be answered with 503.
pub const STREAMS_MAX: u32 = 100;

/// Starts it on a core, with a file of this size in a new folder within an existing one.
pub fn start(body_bytes: usize, folder: &Path, core: usize) -> anyhow::Result<(SocketAddr, Proxy)> {
    let root = folder.join(PROGRAM);
    let file = root.join(FILE);
    std::fs::create_dir_all(file.parent().unwrap_or(&root)).context("make the folder of the service")?;
    std::fs::write(&file, vec![b'x'; body_bytes]).with_context(|| format!("write {}", file.display()))?;
    let address = free_port()?;
    let mut command = Command::new(find(PROGRAM).context("find nghttpd")?);
    command
        .args(["--no-tls", "-a", &address.ip().to_string(), "-m", &STREAMS_MAX.to_string(), "-d"])
        .arg(root)
        .arg(address.port().to_string());
    let mut process = Proxy::start(&mut command, core)?;
    process.wait_for(address).context(PROGRAM)?;
    Ok((address, process))
}
