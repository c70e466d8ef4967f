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

use crate::tunnel;
use crate::watch::TICK;
use crate::worker::acceptor;
use crate::worker::options::TunnelOptions;
use crate::worker::order::Order;
use crate::worker::seats::{Arrival, Seats, Sent, Taken};
use crate::worker::state::{Stage, Worker};
use crate::worker::tally::Tally;

/// The input of a worker's thread.
pub(super) struct Setup {
    pub(super) number: usize,
    pub(super) options: Arc<TunnelOptions>,
    /// Only the first worker has one; it accepts for all.
    pub(super) listener: Option<TcpListener>,
    pub(super) seats: Arc<Seats>,
    pub(super) arrivals: mpsc::Receiver<Sent>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) tally: Arc<Tally>,
}

/// The state of a worker's thread.
struct Thread {
    worker: Rc<Worker>,
    connections: TaskTracker,
    /// The accept task, until it is stopped.
    accepting: JoinSet<()>,
    shut: CancellationToken,
    listener: Option<TcpListener>,
    seats: Arc<Seats>,
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
    let Setup { number, options, listener, seats, arrivals, orders, tally } = setup;
    let worker = Rc::new(Worker::new(options, tally));
    let connections = TaskTracker::new();
    let (accepting, shut) = (JoinSet::new(), CancellationToken::new());
    let thread = Thread { worker, connections, accepting, shut, listener, seats, number, draining: None };
    runtime.block_on(thread.run(arrivals, orders));
}

impl Thread {
    async fn run(mut self, mut arrivals: mpsc::Receiver<Sent>, mut orders: mpsc::Receiver<Order>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                Some(arrival) = arrivals.recv() => self.serve(arrival),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order, &mut arrivals).await,
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
                () = self.connections.wait(), if self.draining.is_some() => self.end_drain(),
            }
        }
    }

    fn serve(&self, Arrival { socket, caller }: Sent) {
        let taken = self.seats.taken(self.number);
        // A connection that this runtime cannot register is closed, and its slot is free again.
        if let Ok(socket) = TcpStream::from_std(socket) {
            serve(&self.worker, &self.connections, Arrival { socket, caller }, taken);
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.worker.watches.tick(now);
        self.worker.dates.refresh(SystemTime::now());
        self.worker.upstreams.sweep(now).await;
        if self.draining.as_ref().is_some_and(|draining| draining.deadline <= now) {
            if self.worker.is_ending() {
                return self.end_drain(); // Connections that still do not end are dropped with the thread.
            }
            self.worker.enter(Stage::Ending);
        }
    }

    /// Executes a command. An error of a reply is ignored: the sender may no longer wait for it.
    async fn obey(&mut self, order: Order, arrivals: &mut mpsc::Receiver<Sent>) {
        match order {
            Order::Open => self.open(),
            Order::Collect(told) => drop(told.send(self.worker.collect())),
            Order::Obey(rules, done) => {
                self.worker.obey(&rules);
                let _ = done.send(());
            }
            Order::Leave(done) => {
                self.worker.enter(Stage::Leaving);
                let _ = done.send(());
            }
            Order::Shut(done) => {
                self.shut.cancel();
                while self.accepting.join_next().await.is_some() {}
                self.listener = None;
                let _ = done.send(());
            }
            Order::Drain(timeout, done) => {
                while let Ok(arrival) = arrivals.try_recv() {
                    self.serve(arrival);
                }
                self.worker.enter(Stage::Draining);
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
        let (worker, connections, seats) = (Rc::clone(&self.worker), self.connections.clone(), Arc::clone(&self.seats));
        let shut = self.shut.clone();
        self.accepting.spawn_local(async move {
            let mine = |arrival, taken| serve(&worker, &connections, arrival, taken);
            if let Err(error) = acceptor::run(listener, seats, &worker, mine, shut).await {
                tracing::error!(%error, "cannot accept connections any more");
            }
        });
    }
}

fn serve(worker: &Rc<Worker>, connections: &TaskTracker, arrival: Arrival<TcpStream>, taken: Taken) {
    let worker = Rc::clone(worker);
    connections.spawn_local(async move {
        let _taken = taken;
        tunnel::serve(worker, arrival.socket, arrival.caller).await;
    });
}
