//! The event loop of one worker's thread: serves its connections and executes commands.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exchange::context::{Lifecycle, WorkerContext};
use crate::exchange::options::ProxyOptions;
use crate::exchange::shared_counters::SharedCounters;
use crate::http1;
use crate::socket::deadlines::TICK;
use crate::worker::acceptor;
use crate::worker::balancer::{AcceptedConnection, ConnectionBalancer, ConnectionGuard, NewConnection};
use crate::worker::command::WorkerCommand;

/// The input of a worker's thread.
pub(super) struct Setup {
    pub(super) number: usize,
    pub(super) options: Arc<ProxyOptions>,
    /// Only the first worker has one; it accepts for all.
    pub(super) listener: Option<TcpListener>,
    pub(super) balancer: Arc<ConnectionBalancer>,
    pub(super) arrivals: mpsc::Receiver<NewConnection>,
    pub(super) commands: mpsc::Receiver<WorkerCommand>,
    pub(super) counters: Arc<SharedCounters>,
}

/// The state of a worker's thread.
struct Thread {
    worker: Rc<WorkerContext>,
    connections: TaskTracker,
    /// The accept task, until it is stopped.
    accepting: JoinSet<()>,
    shut: CancellationToken,
    listener: Option<TcpListener>,
    balancer: Arc<ConnectionBalancer>,
    number: usize,
    draining: Option<Draining>,
}

/// A drain in progress.
struct Draining {
    deadline: Instant,
    done: oneshot::Sender<()>,
}

/// Runs until all senders of commands are dropped.
pub(super) fn run(setup: Setup) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "cannot start a worker's runtime"),
    };
    let Setup { number, options, listener, balancer, arrivals, commands, counters } = setup;
    let worker = Rc::new(WorkerContext::new(options, counters));
    let connections = TaskTracker::new();
    let (accepting, shut) = (JoinSet::new(), CancellationToken::new());
    let thread = Thread { worker, connections, accepting, shut, listener, balancer, number, draining: None };
    runtime.block_on(thread.run(arrivals, commands));
}

impl Thread {
    async fn run(mut self, mut arrivals: mpsc::Receiver<NewConnection>, mut commands: mpsc::Receiver<WorkerCommand>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                Some(arrival) = arrivals.recv() => self.serve(arrival),
                command = commands.recv() => match command {
                    Some(command) => self.execute(command, &mut arrivals).await,
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
                () = self.connections.wait(), if self.draining.is_some() => self.end_drain(),
            }
        }
    }

    fn serve(&self, AcceptedConnection { socket, caller }: NewConnection) {
        let guard = self.balancer.taken(self.number);
        // A connection that this runtime cannot register is closed, and its slot is free again.
        if let Ok(socket) = TcpStream::from_std(socket) {
            serve(&self.worker, &self.connections, AcceptedConnection { socket, caller }, guard);
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.worker.timers.tick(now);
        self.worker.dates.refresh(SystemTime::now());
        for service in self.worker.services(now) {
            service.http1.evict_idle(now).await;
            service.http2.evict_idle(now, &mut self.worker.scratch.borrow_mut().input);
        }
        if self.draining.as_ref().is_some_and(|draining| draining.deadline <= now) {
            if self.worker.is_ending() {
                return self.end_drain(); // Connections that still do not end are dropped with the thread.
            }
            self.worker.enter(Lifecycle::Aborting);
        }
    }

    /// Executes a command. An error of a reply is ignored: the sender may no longer wait for it.
    async fn execute(&mut self, command: WorkerCommand, arrivals: &mut mpsc::Receiver<NewConnection>) {
        match command {
            WorkerCommand::Open => self.open(),
            WorkerCommand::Collect(reply) => drop(reply.send(self.worker.collect())),
            WorkerCommand::ApplyRules(rules, done) => {
                self.worker.apply_rules(&rules);
                let _ = done.send(());
            }
            WorkerCommand::StopKeepAlive(done) => {
                self.worker.enter(Lifecycle::NoKeepAlive);
                let _ = done.send(());
            }
            WorkerCommand::StopAccepting(done) => {
                self.shut.cancel();
                while self.accepting.join_next().await.is_some() {}
                self.listener = None;
                let _ = done.send(());
            }
            WorkerCommand::Drain(timeout, done) => {
                while let Ok(arrival) = arrivals.try_recv() {
                    self.serve(arrival);
                }
                self.worker.enter(Lifecycle::Draining);
                self.connections.close();
                self.draining = Some(Draining { deadline: Instant::now() + timeout, done });
            }
        }
    }

    fn end_drain(&mut self) {
        if let Some(draining) = self.draining.take() {
            let _ = draining.done.send(());
        }
    }

    fn open(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        let (worker, connections, balancer) = (Rc::clone(&self.worker), self.connections.clone(), Arc::clone(&self.balancer));
        let shut = self.shut.clone();
        self.accepting.spawn_local(async move {
            let mine = |arrival, guard| serve(&worker, &connections, arrival, guard);
            if let Err(error) = acceptor::run(listener, balancer, &worker, mine, shut).await {
                tracing::error!(%error, "stopped accepting connections");
            }
        });
    }
}

fn serve(worker: &Rc<WorkerContext>, connections: &TaskTracker, arrival: AcceptedConnection<TcpStream>, guard: ConnectionGuard) {
    let worker = Rc::clone(worker);
    connections.spawn_local(async move {
        let _guard = guard;
        http1::serve(worker, arrival.socket, arrival.caller).await;
    });
}
