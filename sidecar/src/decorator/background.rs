//! Where decorators run what takes long: tasks on the sidecar's own runtime, apart from the workers.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Tasks that wait to be started. A configuration starts one or two for each decorator, and sign-ins are limited by their
/// decorator.
const WAITING_MAX: usize = 1024;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts tasks. A clone starts them in the same place.
#[derive(Debug, Clone)]
pub struct Background {
    tasks: mpsc::Sender<Task>,
}

/// Runs the tasks that a [`Background`] starts.
#[derive(Debug)]
pub struct BackgroundTasks {
    tasks: mpsc::Receiver<Task>,
}

/// Ends its task when it is dropped.
#[derive(Debug)]
pub struct TaskOwner {
    _ends: DropGuard,
}

impl Background {
    /// A place for tasks, and what runs them.
    pub fn new() -> (Self, BackgroundTasks) {
        let (sender, tasks) = mpsc::channel(WAITING_MAX);
        (Self { tasks: sender }, BackgroundTasks { tasks })
    }

    /// A place where no task ever runs, to check a configuration.
    pub fn none() -> Self {
        Self::new().0
    }

    /// Starts a task, which ends at the latest when its owner is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> TaskOwner {
        let end = CancellationToken::new();
        let ended = end.clone();
        let task = async move {
            ended.run_until_cancelled(task).await;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.tasks.try_send(Box::pin(task)) {
            tracing::error!("over {WAITING_MAX} tasks of decorators wait to be started, so one was left out");
        }
        TaskOwner { _ends: end.drop_guard() }
    }
}

impl BackgroundTasks {
    /// Runs tasks until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                Some(task) = self.tasks.recv() => { running.spawn(task); }
                Some(ended) = running.join_next() => log_panic(ended),
                () = stop.cancelled() => return,
            }
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(why) = ended {
        tracing::error!("a task of a decorator has failed: {why}");
    }
}
