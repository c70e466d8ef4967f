//! Runs real NATS servers with JetStream, which can crash and restart on the same ports and folders.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::Client;
use crate::eventually::{SOON, eventually};
use crate::power_loss::WriteTrace;
use crate::process::{Process, file};
use crate::reserved_port::ReservedPort;

/// JetStream as replicas need it: every write is synced before it is acknowledged.
pub const JETSTREAM: &str = "jetstream { store_dir: \"@\", max_file_store: 20GB, sync_interval: always }";

/// A cluster of NATS servers.
pub struct NatsCluster {
    /// The servers.
    pub nodes: Vec<NatsNode>,
}

/// One server.
pub struct NatsNode {
    process: Option<Process>,
    client: ReservedPort,
    route: ReservedPort,
    monitor: ReservedPort,
    folder: TempDir,
    /// The record of what it writes, if there is one.
    trace: Option<WriteTrace>,
}

/// Whether it is recorded what servers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Recorded,
    Unrecorded,
}

impl NatsCluster {
    /// Starts this many servers, which sync every write before they acknowledge it, and waits until JetStream is up.
    #[track_caller]
    pub fn start(nodes: usize) -> Self {
        Self::with_config(nodes, JETSTREAM)
    }

    /// The same with these lines in their configuration, in which `@` is the folder of the server.
    #[track_caller]
    pub fn with_config(nodes: usize, lines: &str) -> Self {
        Self::launch(nodes, lines, Writes::Unrecorded)
    }

    /// The same with a record of all that they write, so that they can lose their power.
    #[track_caller]
    pub fn with_record(nodes: usize, lines: &str) -> Self {
        Self::launch(nodes, lines, Writes::Recorded)
    }

    #[track_caller]
    fn launch(nodes: usize, lines: &str, writes: Writes) -> Self {
        let node = |_| NatsNode {
            process: None,
            client: ReservedPort::reserve(),
            route: ReservedPort::reserve(),
            monitor: ReservedPort::reserve(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            trace: None,
        };
        let mut cluster = Self { nodes: (0..nodes).map(node).collect() };
        for at in 0..nodes {
            let config = cluster.config(at, lines);
            std::fs::write(cluster.nodes[at].config(), config).expect("the folder can be written to");
            let record = cluster.nodes[at].folder.path().join("writes");
            cluster.nodes[at].trace = (writes == Writes::Recorded).then(|| WriteTrace::into_file(record));
            cluster.nodes[at].start();
        }
        cluster.expect_healthy();
        cluster
    }

    /// All servers lose their power at once: what they have not synced is gone. Returns how many bytes, and starts them again,
    /// without a record.
    #[track_caller]
    pub fn lose_power(&mut self) -> u64 {
        self.nodes.iter_mut().for_each(NatsNode::kill);
        let dropped = self.nodes.iter_mut().map(NatsNode::drop_unsynced).sum();
        self.nodes.iter_mut().for_each(NatsNode::start);
        dropped
    }

    /// The URLs of all servers, as `SITIO_NATS_URL` takes them.
    pub fn urls(&self) -> String {
        self.urls_with("nats://")
    }

    /// The same with this before the host: a scheme, and perhaps a user and a password.
    pub fn urls_with(&self, before_host: &str) -> String {
        let urls: Vec<_> = self.nodes.iter().map(|node| format!("{before_host}127.0.0.1:{}", node.client.port)).collect();
        urls.join(",")
    }

    /// Waits until every server that runs has a leader for JetStream, and is up to date.
    #[track_caller]
    pub fn expect_healthy(&self) {
        for node in self.nodes.iter().filter(|node| node.process.is_some()) {
            eventually(3 * SOON, || node.healthy());
        }
    }

    fn config(&self, at: usize, lines: &str) -> String {
        let node = &self.nodes[at];
        let lines = lines.replace('@', &node.folder.path().display().to_string());
        let mut config = format!(
            "server_name: n{at}\nlisten: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n{lines}\n",
            node.client.port, node.monitor.port
        );
        if self.nodes.len() > 1 {
            let routes: Vec<_> = self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.route.port)).collect();
            let _ = writeln!(
                config,
                "cluster {{ name: sitio, listen: 127.0.0.1:{}, routes: [{}] }}",
                node.route.port,
                routes.join(", ")
            );
        }
        config
    }
}

impl NatsNode {
    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The id of its process, if it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Stops it without closing anything, as a machine does that has lost its power.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::STOP);
        }
    }

    /// Ends [`NatsNode::freeze`].
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Starts it on its ports and folder.
    #[track_caller]
    pub fn start(&mut self) {
        let mut command = self.trace.as_ref().map_or_else(|| Command::new(program()), |trace| trace.command(&program()));
        command.arg("-c").arg(self.config());
        self.process = Some(Process::start(command));
    }

    fn drop_unsynced(&mut self) -> u64 {
        let trace = self.trace.take().expect("its writes are recorded");
        // The recorder ends a moment after what it records.
        eventually(SOON, || {
            let record = std::fs::read_to_string(self.folder.path().join("writes"))?;
            ensure!(record.contains("+++ killed by SIGKILL +++"), "the record is not whole yet");
            Ok(())
        });
        trace.drop_unsynced(&self.store())
    }

    /// Stops it, and returns a copy of everything that it has stored.
    #[track_caller]
    pub fn stopped_copy(&mut self) -> TempDir {
        self.kill();
        let copy = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&self.store(), &copy.path().join("jetstream"));
        copy
    }

    /// Replaces what it has stored by a copy, and starts it.
    #[track_caller]
    pub fn restore(&mut self, copy: &TempDir) {
        self.kill();
        std::fs::remove_dir_all(self.store()).expect("the store can be removed");
        copy_folder(&copy.path().join("jetstream"), &self.store());
        self.start();
    }

    /// Starts it without anything that it had stored.
    #[track_caller]
    pub fn lose_everything(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.store()).expect("the store can be removed");
        self.start();
    }

    /// Deletes all messages of a stream, as if they had grown old.
    #[track_caller]
    pub fn purge(&self, stream: &str) {
        let answer = self.request(&format!("$JS.API.STREAM.PURGE.{stream}")).expect("NATS answers");
        assert!(answer.contains("\"success\":true"), "{answer}");
    }

    /// Sends an empty request, and returns the line with the answer.
    fn request(&self, subject: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client.port))?;
        stream.set_read_timeout(Some(SOON))?;
        write!(stream, "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer 0\r\n\r\n")?;
        let lines = BufReader::new(stream).lines();
        let answer = lines.map_while(Result::ok).skip_while(|line| !line.starts_with("MSG answer")).nth(1);
        answer.context("the connection has ended")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("jetstream")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("nats.conf")
    }

    fn healthy(&self) -> Result<()> {
        let mut client = Client::try_connect(self.monitor.port)?;
        client.try_send("GET /healthz HTTP/1.1\r\nHost: nats\r\n\r\n")?;
        let response = client.try_response("GET")?;
        ensure!(response.status() == 200, "{}", response.text());
        Ok(())
    }
}

fn copy_folder(from: &Path, into: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(into).status().expect("cp is here");
    assert!(status.success(), "copy {} to {}", from.display(), into.display());
}

/// The path of the server, which tests/cluster_tools.py installs.
#[track_caller]
fn program() -> PathBuf {
    let program = file("tools/nats-server");
    assert!(program.is_file(), "nats-server is missing: run tests/install");
    program
}
