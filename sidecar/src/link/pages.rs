//! Answers what the control plane fetches: the exchanges that are remembered of an endpoint, page by page.

use std::collections::VecDeque;

use proto::convert::pages::{FETCHES_MAX, Fetch, HISTORY_EXCHANGES_MAX, PAGE_EXCHANGES_MAX, pages};
use proto::wire;

use crate::ledger::books::Books;

/// Pages that wait to be sent: the longest answers to as many fetches as a control plane may have under way.
const PAGES_MAX: usize = FETCHES_MAX * (HISTORY_EXCHANGES_MAX / PAGE_EXCHANGES_MAX);

/// What waits to be sent on one stream.
#[derive(Debug, Default)]
pub(super) struct Pages(VecDeque<wire::Page>);

impl Pages {
    /// Looks up what is remembered now. Whatever was fetched is answered, if only with an empty page.
    pub(super) async fn look_up(&mut self, fetch: wire::Fetch, books: &Books) {
        if self.0.len() >= PAGES_MAX {
            return tracing::debug!("the control plane fetches more than it takes in: fetch {} is not answered", fetch.id);
        }
        let id = fetch.id;
        let exchanges = match Fetch::try_from(fetch) {
            Ok(fetch) => {
                books.refresh().await;
                let mut newest = books.read(|ledger| ledger.history(&fetch.endpoint));
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

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next page, as it is sent.
    pub(super) fn next(&mut self) -> Option<wire::Up> {
        self.0.pop_front().map(|page| wire::Up { message: Some(wire::up::Message::Page(page)) })
    }
}
