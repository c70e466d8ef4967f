//! A control plane, and in another thread a swarm that keeps every row of its dashboard changing.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use crate::swarm::Swarm;
use crate::swarm::dial::Connections;
use crate::swarm::server::{Cores, Server};
use crate::swarm::size::SwarmSize;
use crate::swarm::tally::TickActivity;

/// A running control plane with its swarm.
pub struct Crowd {
    server: Server,
    leave: CancellationToken,
    swarm: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Crowd {
    /// Starts both, and waits until every sidecar is attached.
    pub fn start(size: SwarmSize, cores: Cores) -> anyhow::Result<Self> {
        let server = Server::start(cores)?;
        let (stream, leave) = (server.stream, CancellationToken::new());
        let (write, reported) = mpsc::channel();
        let leaving = leave.clone();
        let swarm = thread::spawn(move || run(stream, size, &write, leaving));
        let crowd = Self { server, leave, swarm: Some(swarm) };
        // A swarm that fails drops the sender; joining its thread returns the error.
        match reported.recv() {
            Ok(()) => Ok(crowd),
            Err(_) => Err(crowd.end().err().unwrap_or_else(|| anyhow!("the swarm ended by itself"))),
        }
    }

    /// The address of the dashboard.
    pub fn dashboard(&self) -> SocketAddr {
        self.server.api.0
    }

    /// Ends the swarm, and returns its error if it failed.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.leave.cancel();
        let swarm = self.swarm.take().context("the swarm was ended before")?;
        swarm.join().map_err(|_| anyhow!("the swarm panicked"))?
    }
}

fn run(stream: SocketAddr, size: SwarmSize, attached: &mpsc::Sender<()>, leave: CancellationToken) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let swarm = Swarm::start(stream, size, Connections::Own);
        swarm.attached().await?;
        // Traffic of one pod of each service keeps all rows changing.
        swarm.tally.set_activity(TickActivity::OnePodOfEach);
        attached.send(()).context("no receiver waits any more")?;
        leave.cancelled().await;
        swarm.leave().await;
        Ok(())
    })
}
