//! Answers fetches of the control plane: the remembered exchanges of an endpoint, page by page.

use std::collections::VecDeque;

use proto::convert::pages::{FETCHES_MAX, Fetch, HISTORY_EXCHANGES_MAX, PAGE_EXCHANGES_MAX, pages};
use proto::wire;

use crate::ledger::collector::LedgerHandle;

/// Pages that wait to be sent: the longest answers to as many concurrent fetches as a control plane may have.
const PAGES_MAX: usize = FETCHES_MAX * (HISTORY_EXCHANGES_MAX / PAGE_EXCHANGES_MAX);

/// The pages that wait to be sent on one stream.
#[derive(Debug, Default)]
pub(super) struct FetchAnswers(VecDeque<wire::Page>);

impl FetchAnswers {
    /// Looks up remembered exchanges. Every fetch gets an answer, if only an empty page, unless too many pages wait.
    pub(super) async fn look_up(&mut self, fetch: wire::Fetch, ledger_handle: &LedgerHandle) {
        if self.0.len() >= PAGES_MAX {
            return tracing::debug!("the control plane fetches more than it takes in: fetch {} is not answered", fetch.id);
        }
        let id = fetch.id;
        let exchanges = match Fetch::try_from(fetch) {
            Ok(fetch) => {
                ledger_handle.refresh().await;
                let mut newest = ledger_handle.read(|ledger| ledger.history(&fetch.endpoint));
                newest.reverse();
                newest.truncate(fetch.limit);
                newest
            }
            Err(why) => {
                tracing::debug!("the control plane fetches what cannot be: {why}");
                Vec::new()
            }
        };
        self.0.extend(pages(id, &exchanges));
    }

    /// Whether no page waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next page, as the message to send.
    pub(super) fn next(&mut self) -> Option<wire::Up> {
        self.0.pop_front().map(|page| wire::Up { message: Some(wire::up::Message::Page(page)) })
    }
}
