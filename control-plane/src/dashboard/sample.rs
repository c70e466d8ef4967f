//! A small sample mesh for tests.

use std::sync::Arc;
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::refusal::Refusals;
use mesh::report::{Resources, ServiceSigns};
use mesh::rule::{Action, Protection, Rule, Scope, Selector};
use mesh::workload::Workload;
use tokio_util::sync::CancellationToken;

use crate::counts::fleet::Fleet;
use crate::dashboard::page::PageReader;
use crate::model::durability::Durability;
use crate::model::notice::{Notice, NoticeCondition, NoticeExchange, NoticePod, NoticeSubject};
use crate::model::pod::{PodState, Serving, ServingState};
use crate::model::principal::Principal;
use crate::model::rule_status::{PodReceipt, ReceiptState, RuleStatus};
use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome, SlotOutcomes};
use crate::model::switch::Switch;
use crate::model::traffic::{SPARK_POINTS, TrafficPoint};
use crate::model::window::QueryWindow;
use crate::query::reader::Reader;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use crate::state::AppState;
use crate::store::redb::RedbStore;

/// The instant of the sample, 2025-11-20T14:07:41Z.
pub(crate) const NOW_MS: u64 = 1_763_647_661_000;

/// The local operator's view of a mesh without sidecars. Its data folder is deleted, and its open file stays usable.
pub(crate) fn reader() -> Reader {
    let folder = tempfile::tempdir().unwrap();
    let (store, fleet) = (Arc::new(RedbStore::open(folder.path()).unwrap()), Fleet::new(Duration::from_secs(60)));
    let (mesh, _) = AppState::open(store, fleet, "127.0.0.1:8091".parse().unwrap(), CancellationToken::new()).unwrap();
    Reader::new(Arc::new(mesh), Arc::new(Principal::local_operator()))
}

/// The local operator, as a page shows it.
pub(crate) fn operator() -> PageReader {
    PageReader::from(&Principal::local_operator())
}

/// `hits` requests of `ms` milliseconds each; `failures` of them ended in 500.
pub(crate) fn golden(hits: u64, failures: u64, ms: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    (golden.hits, golden.failed) = (hits, failures);
    (golden.total_us, golden.max_us) = (hits * ms * 1000, ms * 1000);
    golden.bytes_in = hits * 240;
    golden.bytes_out = hits * 8300;
    for _ in 0..hits {
        golden.latency.record(ms * 1000);
    }
    if failures > 0 {
        golden.add_status(500, failures);
    }
    golden.add_status(200, hits - failures);
    golden
}

/// An endpoint that is on and served by two pods.
pub(crate) fn row(number: u64, method: &str, route: &str, service: &str, now: GoldenMetrics) -> EndpointRow {
    let rps = now.hits as f64 / 300.0;
    let traffic =
        vec![TrafficPoint { hits: now.hits / 60, failures: now.failures() / 60, bytes_out: now.bytes_out / 60 }; SPARK_POINTS];
    EndpointRow {
        id: format!("e{number:012x}"),
        namespace: "default".into(),
        service: service.into(),
        endpoint: Endpoint::named(method, route).expect("the sample names endpoints well"),
        is_file: route.contains('.'),
        before: GoldenMetrics::default(),
        rps,
        blocked_rps: 0.0,
        in_flight: 0,
        first_seen_ms: (now.hits > 0).then_some(NOW_MS - 3_600_000),
        last_seen_ms: (now.hits > 0).then_some(NOW_MS - 500),
        traffic: traffic.into(),
        outcomes: outcomes(&now),
        usual_p95_us: None,
        pods: [1, 2].map(|pod| Serving { pod: format!("{service}-{pod}"), state: ServingState::Serving }).into(),
        switch: Switch::On,
        now,
    }
}

/// The outcomes of an hour with the constant traffic of these five minutes.
fn outcomes(now: &GoldenMetrics) -> SlotOutcomes {
    let slot = SlotOutcome { served: now.served() / 30, failures: now.failures() / 30 };
    let from_ms = NOW_MS / OUTCOME_MS * OUTCOME_MS - 3_600_000;
    SlotOutcomes { from_ms, began_ms: from_ms - 3_600_000, slots: vec![slot; 360].into() }
}

/// A rule on an endpoint, with these receipts.
pub(crate) fn rule(row: &EndpointRow, receipts: &[ReceiptState]) -> Arc<RuleStatus> {
    let selector = Selector { namespace: row.namespace.clone(), service: row.service.clone(), pods: Vec::new() };
    let pods = receipts.iter().enumerate().map(|(at, state)| PodReceipt {
        pod: format!("{}-{}", row.service, at + 1),
        state: state.clone(),
        last_message_ms: NOW_MS - 14_000,
    });
    Arc::new(RuleStatus {
        rule: Rule {
            id: "r-118".into(),
            selector,
            endpoint: row.endpoint.clone(),
            action: Action::Disable { status: 503 },
            scope: Scope::default(),
            selection: decorators::selection::Selection::default(),
            protection: Protection::default(),
            expires_ms: Some(NOW_MS + 42 * 60_000),
            by: "operator".into(),
            reason: "export job is filling the disk".into(),
        },
        revision: 118,
        created_ms: NOW_MS - 12_000,
        ended: None,
        pods: pods.collect(),
    })
}

/// Six endpoints (failing, slow, turning off, off, calm, with a hostile name), and two pods, one of them silent.
pub(crate) fn snapshot() -> Snapshot {
    let failing = row(1, "POST", "/api/checkout", "payments", golden(12_480, 986, 96));
    let mut slow = row(2, "GET", "/api/search", "search", golden(600, 0, 1240));
    slow.usual_p95_us = Some(480_000.0);
    let mut turning = row(3, "GET", "/legacy/export", "legacy", golden(60, 0, 1300));
    turning.switch = Switch::TurningOff(rule(&turning, &[ReceiptState::Applied { took_ms: 31 }, ReceiptState::Pending]));
    let pods = Arc::make_mut(&mut turning.pods);
    pods[0].state = ServingState::Off;
    pods[1].state = ServingState::Waiting;
    let mut off = row(4, "GET", "/legacy/report.pdf", "legacy", GoldenMetrics::default());
    off.switch = Switch::Off(rule(&off, &[ReceiptState::Applied { took_ms: 31 }, ReceiptState::Applied { took_ms: 44 }]));
    (off.rps, off.blocked_rps) = (12.1, 12.1);
    let calm = row(5, "GET", "/products/{id}", "storefront", golden(14_580, 2, 14));
    let hostile = row(6, "GET", "/\"><script>alert(1)</script>", "<b>'evil'", golden(30, 0, 3));
    Snapshot {
        taken_ms: NOW_MS,
        window: QueryWindow::Last(Duration::from_secs(300)),
        covered_s: 300.0,
        since_ms: NOW_MS - 7_200_000,
        before_ms: Some(NOW_MS - 600_000),
        endpoints: vec![calm, off, slow, turning, failing, hostile],
        pods: vec![pod("legacy-1", PodState::Reporting, NOW_MS - 400), pod("legacy-2", PodState::Silent, NOW_MS - 14_000)],
        notices: Vec::new(),
        standing: Durability::Durable,
        store_replaced: None,
        replicas: None,
        recovery: None,
        revision: 118,
        audit_entries: 38,
    }
}

fn pod(name: &str, state: PodState, last_message_ms: u64) -> PodRow {
    let workload = Workload {
        namespace: "default".into(),
        service: "legacy".into(),
        pod: name.into(),
        pod_uid: name.into(),
        node: "node-a1".into(),
        addresses: vec![],
        version: "0.1.0".into(),
    };
    PodRow {
        workload: Arc::new(workload),
        epoch: 1,
        claimants: 1,
        state,
        started_ms: NOW_MS - 3_600_000,
        version_before: None,
        connected_ms: Some(NOW_MS - 3_600_000),
        last_message_ms,
        resources: Some(Resources {
            memory_bytes: 238 << 20,
            memory_limit_bytes: 256 << 20,
            cpu_milli: 300,
            cpu_limit_milli: 1000,
            throttled_milli: 0,
            connections: 4,
            refused: Refusals::default(),
            service: ServiceSigns::default(),
        }),
        rps: 12.9,
        skew: None,
        revision_wanted: 118,
        confirmed: Some((118, 44)),
        confirmed_ms: Some(NOW_MS - 12_000),
        resource_history: Arc::default(),
        refusal: None,
    }
}

/// A notice about the service `legacy` that has fired for two minutes.
pub(crate) fn notice(condition: NoticeCondition) -> Notice {
    Notice {
        id: format!("0{}", condition.name()),
        subject: NoticeSubject { condition, namespace: "default".into(), service: "legacy".into() },
        since_ms: NOW_MS - 120_000,
        resolved_ms: None,
        detail: "No program accepts connections on the service's port, on 1 of 2 pods".into(),
        times: 1,
        pods: vec![NoticePod { name: "legacy-1".into(), since_ms: NOW_MS - 120_000, until_ms: NOW_MS }],
        pods_total: 1,
        exchanges: vec![NoticeExchange {
            at_ms: NOW_MS - 5_000,
            pod: "legacy-1".into(),
            method: "GET".into(),
            path: "/orders/7".into(),
            status: 502,
            outcome: "upstream-connect".into(),
            took_us: 1200,
            trace: None,
        }],
    }
}
