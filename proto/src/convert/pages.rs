//! Encodes and decodes the history of an endpoint: fetch requests and the pages of the reply.

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;

use crate::convert::exchanges::{exchange, sample};
use crate::convert::{InvalidMessage, bounded};
use crate::wire;

/// Concurrent fetches on one stream. A person views one endpoint at a time; eight people may view the same pod.
pub const FETCHES_MAX: usize = 8;

/// Exchanges of one page. With the longest paths that is about 16 kB, so a page never delays a report for long.
pub const PAGE_EXCHANGES_MAX: usize = 32;

/// Exchanges of all pages that answer one fetch: four times what a sidecar keeps of an endpoint.
pub const HISTORY_EXCHANGES_MAX: usize = 256;

/// A request for the history of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The id, which is unique on the stream; the pages carry it.
    pub id: u64,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The number of newest exchanges to return, at most [`HISTORY_EXCHANGES_MAX`].
    pub limit: usize,
}

/// A part of the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The id of the fetch.
    pub id: u64,
    /// Some exchanges.
    pub exchanges: Vec<Exchange>,
    /// Whether more pages follow.
    pub more: More,
}

/// Whether more pages follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// At least one more page follows.
    Follows,
    /// This is the last page.
    Nothing,
}

/// Splits a reply into pages; an empty reply is one page.
pub fn pages(id: u64, exchanges: &[Exchange]) -> Vec<wire::Page> {
    let page = |exchanges: &[Exchange]| wire::Page { id, samples: exchanges.iter().map(sample).collect(), last: false };
    let mut pages: Vec<_> = exchanges.chunks(PAGE_EXCHANGES_MAX).map(page).collect();
    match pages.last_mut() {
        Some(last) => last.last = true,
        None => pages.push(wire::Page { id, samples: Vec::new(), last: true }),
    }
    pages
}

impl From<Fetch> for wire::Fetch {
    fn from(fetch: Fetch) -> Self {
        let (method, route) = (fetch.endpoint.method().to_owned(), fetch.endpoint.route().to_owned());
        Self { id: fetch.id, method, route, limit: fetch.limit as u32 }
    }
}

impl TryFrom<wire::Fetch> for Fetch {
    type Error = InvalidMessage;

    fn try_from(fetch: wire::Fetch) -> Result<Self, InvalidMessage> {
        let endpoint = Endpoint::named(&fetch.method, &fetch.route);
        let endpoint = endpoint.map_err(|why| InvalidMessage::Senseless { field: "fetch", why: why.to_string() })?;
        Ok(Self { id: fetch.id, endpoint, limit: (fetch.limit as usize).min(HISTORY_EXCHANGES_MAX) })
    }
}

impl TryFrom<wire::Page> for HistoryPage {
    type Error = InvalidMessage;

    fn try_from(page: wire::Page) -> Result<Self, InvalidMessage> {
        let samples = bounded("page.samples", page.samples, PAGE_EXCHANGES_MAX)?;
        let exchanges = samples.into_iter().map(exchange).collect::<Result<_, _>>()?;
        Ok(Self { id: page.id, exchanges, more: if page.last { More::Nothing } else { More::Follows } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_into_pages_and_only_the_last_is_last() {
        let exchanges: Vec<_> = (0..70).map(|started_ms| Exchange { started_ms, ..Exchange::default() }).collect();
        let pages: Vec<HistoryPage> = pages(7, &exchanges).into_iter().map(|page| page.try_into().unwrap()).collect();
        assert_eq!(pages.iter().map(|page| page.more).collect::<Vec<_>>(), [More::Follows, More::Follows, More::Nothing]);
        assert!(pages.iter().all(|page| page.id == 7));
        assert_eq!(pages.into_iter().flat_map(|page| page.exchanges).collect::<Vec<_>>(), exchanges);
    }

    #[test]
    fn nothing_is_a_page_too() {
        let nothing = pages(7, &[]).remove(0);
        assert_eq!(HistoryPage::try_from(nothing), Ok(HistoryPage { id: 7, exchanges: vec![], more: More::Nothing }));
    }

    #[test]
    fn what_is_too_much_or_no_endpoint_is_refused() {
        let long = wire::Page { samples: vec![wire::Sample::default(); PAGE_EXCHANGES_MAX + 1], ..wire::Page::default() };
        assert_eq!(
            HistoryPage::try_from(long),
            Err(InvalidMessage::TooMuch { field: "page.samples", limit: PAGE_EXCHANGES_MAX })
        );
        let nowhere = wire::Fetch { method: "GET".into(), route: "nowhere".into(), ..wire::Fetch::default() };
        assert!(matches!(Fetch::try_from(nowhere), Err(InvalidMessage::Senseless { field: "fetch", .. })));
        let endless = wire::Fetch { method: "GET".into(), route: "/a".into(), limit: u32::MAX, ..wire::Fetch::default() };
        assert_eq!(Fetch::try_from(endless).unwrap().limit, HISTORY_EXCHANGES_MAX);
    }
}
