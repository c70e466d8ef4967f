//! The worker threads that carry traffic: each has its own runtime, connections, upstream pool and counters.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use mesh::report::EndpointReport;
use mesh::rule_totals::{RuleTotals, SIDES_MAX};
use tokio::sync::{mpsc, oneshot};

use crate::exchange::options::ProxyOptions;
use crate::exchange::shared_counters::SharedCounters;
use crate::rulebook::TimedRule;
use crate::socket::stream::send_at_once;
use crate::worker::balancer::ConnectionBalancer;
use crate::worker::command::WorkerCommand;

pub mod acceptor;
pub mod balancer;
mod command;
mod thread;

/// Commands that may wait for a worker. The background tasks send one of each kind at a time, and wait for it.
const COMMANDS_MAX: usize = 16;

/// All workers of a sidecar. Dropping it ends them with all their connections.
pub struct Workers {
    commands: Vec<mpsc::Sender<WorkerCommand>>,
    threads: Vec<JoinHandle<()>>,
    balancer: Arc<ConnectionBalancer>,
    counters: Arc<SharedCounters>,
    rules: Mutex<RuleSets>,
}

/// Where rules come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSource {
    /// The file of decorators.
    File,
    /// The control plane.
    ControlPlane,
}

/// The rules in force, by their sources. Those of the file see requests first.
#[derive(Debug, Default)]
struct RuleSets {
    file: Vec<TimedRule>,
    control_plane: Vec<TimedRule>,
}

impl RuleSets {
    fn all(&self) -> Vec<TimedRule> {
        [&self.file[..], &self.control_plane[..]].concat()
    }
}

impl Workers {
    /// Starts `count` threads that will accept from `listener`. Until [`Workers::open`], connections wait in its backlog.
    pub fn start(count: usize, listener: TcpListener, options: impl Into<Arc<ProxyOptions>>) -> anyhow::Result<Self> {
        let options = options.into();
        let (balancer, arrivals) = ConnectionBalancer::new(count.max(1), options.connections_max);
        let balancer = Arc::new(balancer);
        let mut workers = Self::with(Arc::clone(&balancer));
        // Before any connection waits in the backlog: its socket inherits what is set at that moment.
        send_at_once(&listener).context("set options of the listener")?;
        let mut listener = Some(listener);
        for (number, arrivals) in arrivals.into_iter().enumerate() {
            let (sender, commands) = mpsc::channel(COMMANDS_MAX);
            let setup = thread::Setup {
                number,
                options: Arc::clone(&options),
                listener: listener.take(),
                balancer: Arc::clone(&balancer),
                arrivals,
                commands,
                counters: Arc::clone(&workers.counters),
            };
            let builder = std::thread::Builder::new().name(format!("worker-{number}"));
            workers.threads.push(builder.spawn(move || thread::run(setup)).context("start a worker's thread")?);
            workers.commands.push(sender);
        }
        Ok(workers)
    }

    /// No threads, for tests of the background tasks without traffic.
    pub fn none() -> Self {
        let (balancer, _) = ConnectionBalancer::new(1, Some(0));
        Self::with(Arc::new(balancer))
    }

    fn with(balancer: Arc<ConnectionBalancer>) -> Self {
        Self { commands: Vec::new(), threads: Vec::new(), balancer, counters: Arc::default(), rules: Mutex::default() }
    }

    /// Starts to accept traffic.
    pub async fn open(&self) {
        for commands in &self.commands {
            // A worker that does not receive has panicked and logged it.
            let _ = commands.send(WorkerCommand::Open).await;
        }
    }

    /// Collects the counts of all workers since the last call. An endpoint has a report for each worker that counted it.
    pub async fn collect(&self) -> Vec<EndpointReport> {
        self.send_to_all(WorkerCommand::Collect).await.into_iter().flatten().collect()
    }

    /// Replaces the rules of one source, and returns when every worker uses them.
    pub async fn apply_rules(&self, source: RuleSource, rules: Vec<TimedRule>) {
        let rules = {
            let mut sets = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
            match source {
                RuleSource::File => sets.file = rules,
                RuleSource::ControlPlane => sets.control_plane = rules,
            }
            Arc::new(sets.all())
        };
        self.send_to_all(|done| WorkerCommand::ApplyRules(Arc::clone(&rules), done)).await;
    }

    /// The rules in force.
    pub fn rules(&self) -> Vec<TimedRule> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    /// What the rules of the control plane have done; those that have nothing to report are left out. A report has room for
    /// the sides of the first [`SIDES_MAX`] splits.
    pub fn rule_totals(&self) -> Vec<RuleTotals> {
        let sets = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals: Vec<RuleTotals> = sets.control_plane.iter().map(TimedRule::totals).collect();
        for split in totals.iter_mut().filter(|totals| totals.sides.is_some()).skip(SIDES_MAX) {
            split.sides = None;
        }
        totals.retain(|totals| !totals.is_empty());
        totals
    }

    /// Downstream connections open now.
    pub fn connections(&self) -> u32 {
        self.balancer.connections()
    }

    /// The shared counters: refused requests, refused connections and skipped decorators.
    pub fn counters(&self) -> &SharedCounters {
        &self.counters
    }

    /// From now on every response closes its connection, so that clients reconnect elsewhere. New
    /// connections are still accepted.
    pub async fn stop_keep_alive(&self) {
        self.send_to_all(WorkerCommand::StopKeepAlive).await;
    }

    /// Stops accepting, closes idle connections, and returns when exchanges in progress have finished, or
    /// after `timeout`. Afterwards the counts can be collected a last time.
    pub async fn drain(&self, timeout: Duration) {
        // Two steps, because a connection accepted by the first worker may be on its way to another.
        self.send_to_all(WorkerCommand::StopAccepting).await;
        self.send_to_all(|done| WorkerCommand::Drain(timeout, done)).await;
    }

    /// Sends a command to every worker, and waits for all results. A worker that has panicked returns none.
    async fn send_to_all<T>(&self, command: impl Fn(oneshot::Sender<T>) -> WorkerCommand) -> Vec<T> {
        let mut answers = Vec::with_capacity(self.commands.len());
        for commands in &self.commands {
            let (sender, answer) = oneshot::channel();
            if commands.send(command(sender)).await.is_ok() {
                answers.push(answer);
            }
        }
        let mut replies = Vec::with_capacity(answers.len());
        for answer in answers {
            replies.extend(answer.await.ok());
        }
        replies
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.commands.clear(); // The threads end when no command can arrive.
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker's thread has panicked");
            }
        }
    }
}
