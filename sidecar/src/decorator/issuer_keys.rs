//! The keys of an issuer, kept fresh by a task: workers read them without waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openid::fetched::{FETCH_EVERY, FETCH_WITHIN};
use openid::provider::{Known, Provider, authorities};
use tokio::sync::{Notify, watch};

use crate::decorator::background::{Background, TaskOwner};

/// How often the age of the keys is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// How long a request waits for keys: as long as a fetch takes, and a moment.
const WAIT_MAX: Duration = FETCH_WITHIN.saturating_add(Duration::from_secs(1));

/// The provider of an issuer, whose keys a task fetches.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    provider: Arc<Provider>,
    wanted: Arc<Notify>,
    fetches: watch::Receiver<u64>,
    _task: TaskOwner,
}

impl IssuerKeys {
    /// Begins to fetch the keys.
    pub(super) fn open(issuer: &str, ca_file: Option<&str>, background: &Background) -> Result<Self, String> {
        let authorities = ca_file.map(|file| authorities(Path::new(file))).transpose()?;
        let (provider, wanted) = (Arc::new(Provider::new(issuer, authorities)?), Arc::<Notify>::default());
        let (sender, fetches) = watch::channel(0);
        let task = background.spawn(fetch_when_needed(Arc::clone(&provider), Arc::clone(&wanted), sender));
        Ok(Self { provider, wanted, fetches, _task: task })
    }

    /// The provider.
    pub(super) fn provider(&self) -> Arc<Provider> {
        Arc::clone(&self.provider)
    }

    /// The keys that are known, if any are usable.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.provider.known()
    }

    /// Asks for a fetch, because a key is unknown, and waits until one has ended. At most one in ten seconds is made; between
    /// them, this returns at once.
    pub(super) async fn fetched(&self) {
        let mut fetches = self.fetches.clone();
        fetches.mark_unchanged();
        self.wanted.notify_one();
        let _ = tokio::time::timeout(WAIT_MAX, fetches.changed()).await;
    }
}

/// Fetches the keys at the start, when they are old, and when one is wanted that is unknown.
async fn fetch_when_needed(provider: Arc<Provider>, wanted: Arc<Notify>, fetches: watch::Sender<u64>) {
    let (mut outcome, mut last) = (provider.refresh().await, String::new());
    loop {
        let failure = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        if failure != last && !failure.is_empty() {
            tracing::warn!("the keys of {} are unknown, so no token of it passes: {failure}", provider.issuer());
        }
        last = failure;
        fetches.send_modify(|count| *count += 1);
        let pause = if provider.known().is_some() { CHECK_EVERY } else { FETCH_EVERY };
        outcome = tokio::select! {
            () = wanted.notified() => provider.refetch().await,
            () = tokio::time::sleep(pause) => provider.refresh().await,
        };
    }
}
