//! Rendering of the endpoint page: with numbers, with hostile names, and without data.

use mesh::exchange::Exchange;

use crate::counts::fleet::address_index::AddressIndex;
use crate::counts::fleet::endpoint_callers::CallerCounts;
use crate::dashboard::endpoint::versions::Versions;
use crate::dashboard::endpoint::*;
use crate::dashboard::request::{RequestCells, RequestPlace};
use crate::dashboard::sample;
use crate::dashboard::sample::{NOW_MS, golden};
use crate::history::request::{HistorySource, RememberedExchange};
use crate::query::callers::{CalledBy, ResolvedCaller, Who};

/// One caller with a hostile name.
fn called_by() -> CalledBy {
    let received = CallerCounts { recent: 1.0, ..CallerCounts::default() };
    let who = Who::Service { namespace: "default".into(), service: "<script>alert(3)</script>".into() };
    CalledBy { callers: vec![ResolvedCaller { who, received, pods: vec![] }], sum: received, unknown_hits: 7 }
}

fn page_of(at: usize, lately: &HashMap<String, RecentTotals>) -> String {
    let mut snapshot = sample::snapshot();
    let mut slots = snapshot.endpoints[at].outcomes.slots.to_vec();
    slots[..344].iter_mut().for_each(|slot| slot.failures = 0);
    snapshot.endpoints[at].outcomes.slots = slots.into();
    let row = &snapshot.endpoints[at];
    let each = (0..60).map(|column| golden(40, if column < 36 { 0 } else { 4 }, 96)).collect();
    let columns = Columns { from_ms: NOW_MS - 300_000, step_ms: 5000, golden: each, to_come_ms: 0 };
    let exchange =
        Exchange { started_ms: NOW_MS, status: 503, path: "/'\"><script>alert(2)</script>".into(), ..Exchange::default() };
    let reported = [RememberedExchange { pod: "shop-1".into(), exchange: exchange.clone(), source: HistorySource::Pushed }];
    let look = EndpointView::at(&ViewSource {
        row,
        snapshot: &snapshot,
        columns: &columns,
        lately,
        called_by: &called_by(),
        entries: &[],
        reported: &reported,
        versions: Versions::default(),
        zone: &Zone::default(),
    });
    let place = RequestPlace { namespace: "default", service: &row.service, endpoint: &row.endpoint, pod: "shop-1" };
    let mut rows = vec![RequestCells::of(place, exchange, HistorySource::Fetched, &AddressIndex::default())];
    rows.resize_with(3, RequestCells::blank);
    let history = RequestHistory {
        show: HistoryFilter::Newest,
        rows,
        is_known: true,
        hint: "1 of 1 request, kept by 1 pod".into(),
        gaps: String::new(),
    };
    EndpointPage::of(&snapshot, row, DisplayWindow::default(), look, history, &Zone::default(), sample::operator())
        .render()
        .unwrap()
}

fn page(at: usize) -> String {
    page_of(at, &HashMap::new())
}

#[test]
fn the_page_shows_its_charts_in_words_too() {
    let html = page(4);
    for words in [
        "Latency heatmap, 14:02:41 to 14:07:41 UTC. Most requests take about 92 ms. p95 stayed near 92 ms.",
        "Requests per second by status, 14:02:41 to 14:07:41 UTC.",
        "Latency distribution: most requests take 88 ms to 125 ms.",
        "5xx rose over the limit of 5.0 %",
        "14:07:41 UTC, 503 from shop-1",
        "5xx 7.9 % since 14:05:00 UTC",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert_eq!(html.matches("class=\"chart\"").count(), 3);
}

#[test]
fn hostile_names_stay_text() {
    let html = page(5);
    assert!(!html.contains("<script>alert") && !html.contains("<b>'evil'"));
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
    assert!(html.contains("curl -i --globoff --path-as-is"));
}

#[test]
fn every_value_that_moves_has_its_place_on_the_page() {
    let html = page(4);
    let snapshot = sample::snapshot();
    let row = &snapshot.endpoints[4];
    let columns = Columns::default();
    let (lately, called_by) = (HashMap::new(), called_by());
    let look = EndpointView::at(&ViewSource {
        row,
        snapshot: &snapshot,
        columns: &columns,
        lately: &lately,
        called_by: &called_by,
        entries: &[],
        reported: &[],
        versions: Versions::default(),
        zone: &Zone::default(),
    });
    for id in look.cells().elements().keys() {
        assert!(html.contains(&format!("data-cells=\"{id}\"")) || id.starts_with("entry-"), "{id} is sent, and shown nowhere");
    }
}

#[test]
fn a_rule_in_force_says_who_and_why() {
    let html = page(3);
    assert!(html.contains("data-cells=\"rule\" data-kind=\"rule\""));
    assert!(html.contains("<span data-k=\"reason\">export job is filling the disk</span>"));
    assert!(html.contains("Turn on</button>"), "without script there is a form");
    assert!(page(4).contains("Turn off on all pods"));
}
