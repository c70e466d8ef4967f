//! A document of another server: fetched when it is needed, kept for a while, and used although its server is away.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The age at which a document is fetched again, so that what was withdrawn is forgotten.
pub const KEPT: Duration = Duration::from_secs(10 * 60);

/// The shortest time between two fetches: requests for what does not exist must not become requests to the server.
pub const FETCH_EVERY: Duration = Duration::from_secs(10);

/// The age at which a document is of no use, if its server has been away that long. A key that was withdrawn meanwhile would
/// otherwise be trusted for ever.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a fetch may take. A sidecar waits five seconds for its welcome.
pub const FETCH_WITHIN: Duration = Duration::from_secs(4);

/// A document, and the last attempt to fetch it.
#[derive(Debug)]
pub struct Fetched<T> {
    known: ArcSwapOption<Known<T>>,
    last: Mutex<Option<Attempt>>,
}

#[derive(Debug)]
struct Known<T> {
    document: Arc<T>,
    at: Instant,
}

#[derive(Debug)]
struct Attempt {
    at: Instant,
    failure: String,
}

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        Self { known: ArcSwapOption::empty(), last: Mutex::new(None) }
    }
}

impl<T> Fetched<T> {
    /// The document that is known, without a fetch.
    pub fn known(&self) -> Option<Arc<T>> {
        self.usable().map(|known| Arc::clone(&known.document))
    }

    /// Why the last fetch failed; empty if it did not, or if there was none.
    pub async fn failure(&self) -> String {
        self.last.lock().await.as_ref().map(|attempt| attempt.failure.clone()).unwrap_or_default()
    }

    fn usable(&self) -> Option<Arc<Known<T>>> {
        self.known.load_full().filter(|known| known.at.elapsed() < USABLE)
    }

    /// The document, fetched again by `fetch` if it is old or has not what is wanted; or why there is none.
    ///
    /// One caller fetches, and those whose wish a known document fulfils never wait for it.
    pub async fn get<E: Display>(
        &self,
        has_wanted: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, String> {
        let known = self.usable().filter(|known| has_wanted(&known.document));
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < KEPT) {
            return Ok(Arc::clone(&known.document));
        }
        let mut last = match (self.last.try_lock(), known) {
            (Ok(last), _) => last,
            (Err(_), Some(known)) => return Ok(Arc::clone(&known.document)),
            (Err(_), None) => self.last.lock().await,
        };
        if last.as_ref().is_none_or(|attempt| attempt.at.elapsed() >= FETCH_EVERY) {
            // Recorded first: a caller that gives up drops this future.
            let attempt = last.insert(Attempt { at: Instant::now(), failure: "no answer".to_owned() });
            match tokio::time::timeout(FETCH_WITHIN, fetch).await {
                Ok(Ok(document)) => {
                    attempt.failure.clear();
                    self.known.store(Some(Arc::new(Known { document: Arc::new(document), at: Instant::now() })));
                }
                Ok(Err(error)) => attempt.failure = error.to_string(),
                Err(_) => attempt.failure = format!("no answer within {FETCH_WITHIN:?}"),
            }
            if !attempt.failure.is_empty() && self.usable().is_some() {
                tracing::warn!("a document cannot be fetched again, so the last one stays: {}", attempt.failure);
            }
        }
        let failure = || last.as_ref().map(|attempt| attempt.failure.clone()).unwrap_or_default();
        self.known().ok_or_else(failure)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn get(fetched: &Fetched<u32>, wanted: u32, answer: Result<u32, &'static str>) -> Result<u32, String> {
        fetched.get(|known| *known == wanted, async { answer }).await.map(|document| *document)
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_kept_and_fetched_again_when_it_is_old_or_lacks_something() {
        let fetched = Fetched::default();
        assert_eq!(get(&fetched, 1, Ok(1)).await, Ok(1));
        assert_eq!(get(&fetched, 1, Ok(2)).await, Ok(1), "it is fresh");
        assert_eq!(get(&fetched, 2, Ok(2)).await, Ok(1), "not within ten seconds");
        tokio::time::advance(FETCH_EVERY).await;
        assert_eq!(get(&fetched, 2, Ok(2)).await, Ok(2));
        tokio::time::advance(KEPT).await;
        assert_eq!(get(&fetched, 2, Ok(3)).await, Ok(3), "it is old");
        tokio::time::advance(USABLE.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(get(&fetched, 3, Err("away")).await, Ok(3), "its server is away");
        assert_eq!(fetched.known().as_deref(), Some(&3));
        tokio::time::advance(FETCH_EVERY).await;
        assert_eq!(get(&fetched, 3, Err("away")).await, Err("away".to_owned()), "its server has been away for too long");
        assert_eq!(fetched.known(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_keeps_no_one_waiting_for_what_is_known() {
        let fetched = Fetched::default();
        assert_eq!(get(&fetched, 1, Ok(1)).await, Ok(1));
        tokio::time::advance(KEPT).await;
        let hung = fetched.get(|known| *known == 1, pending::<Result<u32, String>>());
        tokio::pin!(hung);
        assert!(futures_util::poll!(&mut hung).is_pending(), "one caller fetches");
        assert_eq!(get(&fetched, 1, Err("not asked")).await, Ok(1), "the others do not wait");
        assert_eq!(hung.await.map(|document| *document), Ok(1), "the fetch is given up, and the document stays");
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_do_not_each_begin_a_fetch() {
        let fetched = Fetched::default();
        let hung = fetched.get(|known| *known == 1, pending::<Result<u32, String>>());
        assert!(tokio::time::timeout(Duration::from_secs(1), hung).await.is_err());
        assert_eq!(get(&fetched, 1, Ok(1)).await, Err("no answer".to_owned()));
        tokio::time::advance(FETCH_EVERY).await;
        assert_eq!(get(&fetched, 1, Err("away")).await, Err("away".to_owned()));
        tokio::time::advance(FETCH_EVERY).await;
        assert_eq!(get(&fetched, 1, Ok(1)).await, Ok(1));
    }
}
