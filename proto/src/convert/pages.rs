//! History on the wire: what is fetched of an endpoint, and the pages in which it comes.

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;

use crate::convert::exchanges::{exchange, sample};
use crate::convert::{Refused, bounded};
use crate::wire;

/// Fetches under way on one stream. A person looks at one endpoint at a time; eight may look at the same pod.
pub const FETCHES_MAX: usize = 8;

/// Exchanges of one page: with the longest paths about 16 kB, so that a page never holds up a report for long.
pub const PAGE_EXCHANGES_MAX: usize = 32;

/// Exchanges of all pages that answer one fetch; four times what a sidecar remembers of an endpoint.
pub const HISTORY_EXCHANGES_MAX: usize = 256;

/// The history of one endpoint is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// By which its pages are known on the stream.
    pub id: u64,
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// So many exchanges, the newest, and no more than [`HISTORY_EXCHANGES_MAX`].
    pub limit: usize,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Which fetch it answers.
    pub id: u64,
    /// Some exchanges.
    pub exchanges: Vec<Exchange>,
    /// Whether more pages follow.
    pub more: More,
}

/// Whether more pages follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// Some do.
    Follows,
    /// This was the last.
    Nothing,
}

/// Cuts an answer into pages; one without exchanges is a page, too.
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
    type Error = Refused;

    fn try_from(fetch: wire::Fetch) -> Result<Self, Refused> {
        let endpoint = Endpoint::named(&fetch.method, &fetch.route);
        let endpoint = endpoint.map_err(|why| Refused::Senseless { field: "fetch", why: why.to_string() })?;
        Ok(Self { id: fetch.id, endpoint, limit: (fetch.limit as usize).min(HISTORY_EXCHANGES_MAX) })
    }
}

impl TryFrom<wire::Page> for Page {
    type Error = Refused;

    fn try_from(page: wire::Page) -> Result<Self, Refused> {
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
        let pages: Vec<Page> = pages(7, &exchanges).into_iter().map(|page| page.try_into().unwrap()).collect();
        assert_eq!(pages.iter().map(|page| page.more).collect::<Vec<_>>(), [More::Follows, More::Follows, More::Nothing]);
        assert!(pages.iter().all(|page| page.id == 7));
        assert_eq!(pages.into_iter().flat_map(|page| page.exchanges).collect::<Vec<_>>(), exchanges);
    }

    #[test]
    fn nothing_is_a_page_too() {
        let nothing = pages(7, &[]).remove(0);
        assert_eq!(Page::try_from(nothing), Ok(Page { id: 7, exchanges: vec![], more: More::Nothing }));
    }

    #[test]
    fn what_is_too_much_or_no_endpoint_is_refused() {
        let long = wire::Page { samples: vec![wire::Sample::default(); PAGE_EXCHANGES_MAX + 1], ..wire::Page::default() };
        assert_eq!(Page::try_from(long), Err(Refused::TooMuch { field: "page.samples", limit: PAGE_EXCHANGES_MAX }));
        let nowhere = wire::Fetch { method: "GET".into(), route: "nowhere".into(), ..wire::Fetch::default() };
        assert!(matches!(Fetch::try_from(nowhere), Err(Refused::Senseless { field: "fetch", .. })));
        let endless = wire::Fetch { method: "GET".into(), route: "/a".into(), limit: u32::MAX, ..wire::Fetch::default() };
        assert_eq!(Fetch::try_from(endless).unwrap().limit, HISTORY_EXCHANGES_MAX);
    }
}
