//! Tracks the history fetches of one stream, and joins their pages.

use std::collections::HashMap;

use mesh::exchange::Exchange;
use proto::convert::InvalidMessage;
use proto::convert::pages::{FETCHES_MAX, Fetch, HISTORY_EXCHANGES_MAX, HistoryPage, More};
use proto::wire;
use tokio::sync::oneshot;

use crate::history::FetchRequest;

/// The fetches under way on one stream.
#[derive(Debug, Default)]
pub(super) struct HistoryFetches {
    waiting: HashMap<u64, PendingFetch>,
    started: u64,
}

/// A fetch whose last page has not arrived.
#[derive(Debug)]
struct PendingFetch {
    exchanges: Vec<Exchange>,
    answer: oneshot::Sender<Vec<Exchange>>,
}

impl HistoryFetches {
    /// The fetch to send for a query; `None` if the sidecar owes too many answers already. The
    /// caller then learns at once that there is no answer, because `request` is dropped.
    pub(super) fn start(&mut self, request: FetchRequest) -> Option<wire::Fetch> {
        if self.waiting.len() >= FETCHES_MAX {
            return None;
        }
        self.started += 1;
        self.waiting.insert(self.started, PendingFetch { exchanges: Vec::new(), answer: request.answer });
        Some(Fetch { id: self.started, endpoint: request.endpoint, limit: request.limit }.into())
    }

    /// Adds a page. A page that was not requested, or an answer without an end, is refused.
    ///
    /// A fetch is kept until its last page, even if its caller no longer waits: a late answer is no
    /// error.
    pub(super) fn receive(&mut self, page: wire::Page) -> Result<(), InvalidMessage> {
        let page = HistoryPage::try_from(page)?;
        let unasked = || InvalidMessage::Senseless { field: "page.id", why: format!("no fetch {} is under way", page.id) };
        let waiting = self.waiting.get_mut(&page.id).ok_or_else(unasked)?;
        let is_empty = page.exchanges.is_empty();
        waiting.exchanges.extend(page.exchanges);
        if waiting.exchanges.len() > HISTORY_EXCHANGES_MAX {
            return Err(InvalidMessage::TooMuch { field: "page.samples of one fetch", limit: HISTORY_EXCHANGES_MAX });
        }
        match page.more {
            More::Follows if is_empty => {
                Err(InvalidMessage::Senseless { field: "page.samples", why: "only a last page may be empty".into() })
            }
            More::Follows => Ok(()),
            More::Nothing => {
                if let Some(whole) = self.waiting.remove(&page.id) {
                    // The caller may have stopped waiting.
                    let _ = whole.answer.send(whole.exchanges);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use proto::convert::pages::pages;

    use super::*;

    fn ask() -> (FetchRequest, oneshot::Receiver<Vec<Exchange>>) {
        let (answer, answered) = oneshot::channel();
        (FetchRequest { endpoint: Endpoint::named("GET", "/a").unwrap(), limit: 100, answer }, answered)
    }

    fn exchanges(count: u64) -> Vec<Exchange> {
        (0..count).map(|started_ms| Exchange { started_ms, ..Exchange::default() }).collect()
    }

    #[test]
    fn pages_are_put_together_by_their_fetch() {
        let mut waiting = HistoryFetches::default();
        let ((one, mut of_one), (two, mut of_two)) = (ask(), ask());
        let (one, two) = (waiting.start(one).unwrap(), waiting.start(two).unwrap());
        let mut mixed: Vec<_> = pages(one.id, &exchanges(50)).into_iter().chain(pages(two.id, &exchanges(40))).collect();
        mixed.swap(1, 2);
        for page in mixed {
            waiting.receive(page).unwrap();
        }
        assert_eq!((of_one.try_recv(), of_two.try_recv()), (Ok(exchanges(50)), Ok(exchanges(40))));
    }

    #[test]
    fn a_late_answer_is_no_offence_and_an_unrequested_one_is() {
        let mut waiting = HistoryFetches::default();
        let (late, reader) = ask();
        let fetch = waiting.start(late).unwrap();
        drop(reader);
        waiting.receive(pages(fetch.id, &exchanges(1)).remove(0)).unwrap();
        let again = waiting.receive(pages(fetch.id, &exchanges(1)).remove(0));
        assert!(matches!(again, Err(InvalidMessage::Senseless { field: "page.id", .. })));
    }

    #[test]
    fn an_answer_without_an_end_is_refused() {
        let mut waiting = HistoryFetches::default();
        let (one, _reader) = ask();
        let id = waiting.start(one).unwrap().id;
        let page = || wire::Page { last: false, ..pages(id, &exchanges(32)).remove(0) };
        let taken: Vec<bool> = (0..9).map(|_| waiting.receive(page()).is_ok()).collect();
        assert_eq!(taken, [true, true, true, true, true, true, true, true, false]);
        assert!(HistoryFetches::default().receive(wire::Page::default()).is_err());
        let (two, _reader) = ask();
        let id = waiting.start(two).unwrap().id;
        assert!(waiting.receive(wire::Page { id, ..wire::Page::default() }).is_err(), "empty pages without an end");
    }

    #[test]
    fn a_sidecar_that_never_answers_is_not_asked_for_ever() {
        let mut waiting = HistoryFetches::default();
        assert!((0..FETCHES_MAX).all(|_| waiting.start(ask().0).is_some()));
        let (more, mut answered) = ask();
        assert!(waiting.start(more).is_none());
        assert!(matches!(answered.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
