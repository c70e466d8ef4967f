//! The limit: a TCP proxy that only copies, one connection to the service for each of its own.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Parser)]
struct Config {
    /// Where to listen.
    listen: SocketAddr,
    /// Where to connect to.
    target: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listen at {}", config.listen))?;
    let mut connections = JoinSet::new();
    loop {
        let (mut downstream, _) = listener.accept().await?;
        connections.spawn(async move {
            let mut upstream = TcpStream::connect(config.target).await?;
            downstream.set_nodelay(true)?;
            upstream.set_nodelay(true)?;
            copy_bidirectional(&mut downstream, &mut upstream).await
        });
        while connections.try_join_next().is_some() {}
    }
}
