//! Tests that no pin changes a total, however it comes and goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::routes::route_patterns::Pins;
use mesh::rule::{ANY_METHOD, Action, Protection, Rule, Scope, Selector};
use mesh::workload::Workload;
use proptest::prelude::*;

use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::process_counts::rate_check::ReportArrival;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::apply_pins::apply_pins;
use crate::model::rule_record::{RuleRecord, StoredRules};
use crate::model::rules_state::RulesState;

const NOW_MS: u64 = 1_763_647_661_000;
const PATTERN: &str = "/users/{name}";
const PATHS: [&str; 3] = ["/users/jane", "/users/bob", "/about"];

fn rules(revision: u64, is_pinned: bool) -> RulesState {
    let rule = Rule {
        id: "r1".into(),
        selector: Selector { namespace: "shop".into(), service: "shop".into(), pods: vec![] },
        endpoint: Endpoint::named(ANY_METHOD, PATTERN).unwrap(),
        action: Action::Pin,
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    let records = if is_pinned { vec![RuleRecord { rule, revision, created_ms: 0, ending: None }] } else { vec![] };
    RulesState::load(StoredRules { store: "s".into(), revision, records, audit: vec![], audit_entries: 0 }, NOW_MS)
}

fn pins(is_pinned: bool) -> Pins {
    if is_pinned { Pins::new(&[PATTERN.parse().unwrap()]) } else { Pins::default() }
}

/// A pod, the control plane, and the stream between them.
struct Mesh {
    timeline: Timeline,
    counts: ProcessCounts,
    is_pinned: bool,
    revision: u64,
    /// Whether the pod has applied the pin. It does so at once, but its receipt may come later or
    /// never.
    pod_is_pinned: bool,
    totals: BTreeMap<&'static str, u64>,
    changes: BTreeMap<&'static str, u64>,
    seq: u64,
}

impl Mesh {
    fn new() -> Self {
        Self {
            timeline: Timeline::new(NOW_MS),
            counts: ProcessCounts::default(),
            is_pinned: false,
            revision: 0,
            pod_is_pinned: false,
            totals: BTreeMap::new(),
            changes: BTreeMap::new(),
            seq: 0,
        }
    }

    fn ask(&mut self, path: &'static str) {
        let name = if self.pod_is_pinned && path != "/about" { PATTERN } else { path };
        *self.totals.entry(name).or_default() += 1;
        *self.changes.entry(name).or_default() += 1;
    }

    fn command(&mut self, is_pinned: bool) {
        (self.is_pinned, self.revision) = (is_pinned, self.revision + 1);
        apply_pins(&self.timeline, &rules(self.revision, is_pinned), Vec::new);
    }

    /// The rules are sent, but do not arrive.
    fn send_in_vain(&mut self) {
        self.counts.pins_sent(Arc::new(pins(self.is_pinned)));
        self.break_off();
    }

    /// The pod receives the rules, folds its rows and sends a receipt, which may get lost.
    fn pod_obeys(&mut self, is_reported: bool) {
        self.counts.pins_sent(Arc::new(pins(self.is_pinned)));
        self.pod_is_pinned = self.is_pinned;
        if self.is_pinned {
            for counts in [&mut self.totals, &mut self.changes] {
                let folded: u64 = PATHS[..2].iter().filter_map(|path| counts.remove(path)).sum();
                *counts.entry(PATTERN).or_default() += folded;
            }
        }
        if is_reported && self.seq > 0 {
            self.counts.pins_applied(&pins(self.is_pinned));
        } else {
            self.break_off();
        }
    }

    fn break_off(&mut self) {
        self.seq = 0;
    }

    fn report(&mut self) {
        if self.seq == 0 {
            self.counts.begin_stream();
        }
        self.seq += 1;
        let coverage = if self.seq == 1 { Coverage::Snapshot } else { Coverage::Change };
        let changes = std::mem::take(&mut self.changes);
        let reported = if coverage == Coverage::Snapshot { self.totals.clone() } else { changes };
        let endpoint = |(route, hits): (&'static str, u64)| {
            let mut golden = GoldenMetrics::default();
            golden.hits = hits;
            let endpoint = Endpoint::named("GET", route).unwrap();
            EndpointReport {
                endpoint,
                is_file: false,
                in_flight: 0,
                seen: None,
                golden,
                callers: Callers::default(),
                recent: vec![],
            }
        };
        let endpoints = reported.into_iter().map(endpoint).collect();
        let report = Report { seq: self.seq, coverage, at_ms: 0, endpoints, resources: None, rules: Vec::new() };
        let name = || "shop".to_owned();
        let workload = Workload {
            namespace: name(),
            service: name(),
            pod: name(),
            pod_uid: name(),
            node: name(),
            addresses: vec![],
            version: name(),
        };
        self.counts.absorb(&report, &workload, ReportArrival { now_ms: NOW_MS, age_ms: 0, life_ms: 0 }, &self.timeline).unwrap();
    }

    /// Hits by route.
    fn counted(&self) -> BTreeMap<String, u64> {
        let hits =
            |series: &Arc<crate::counts::timeline::series::Series>| (series.endpoint.route().to_owned(), series.totals().hits);
        self.timeline.all().iter().map(hits).filter(|(_, hits)| *hits > 0).collect()
    }
}

#[test]
fn old_rows_merge_before_any_pod_applies_the_pin() {
    let mut mesh = Mesh::new();
    for path in PATHS {
        mesh.ask(path);
    }
    mesh.report();
    mesh.command(true);
    assert_eq!(mesh.counted(), [("/about".to_owned(), 1), (PATTERN.to_owned(), 2)].into());
    mesh.ask("/users/jane");
    mesh.report();
    mesh.pod_obeys(true);
    mesh.ask("/users/bob");
    mesh.report();
    mesh.break_off();
    mesh.report();
    assert_eq!(mesh.counted(), [("/about".to_owned(), 1), (PATTERN.to_owned(), 4)].into());
}

#[test]
fn once_a_pin_is_withdrawn_paths_have_their_names_again_and_the_past_stays_folded() {
    let mut mesh = Mesh::new();
    mesh.ask("/users/jane");
    mesh.report();
    mesh.command(true);
    mesh.pod_obeys(true);
    mesh.command(false);
    mesh.pod_obeys(true);
    mesh.ask("/users/jane");
    mesh.report();
    mesh.break_off();
    mesh.report();
    assert_eq!(mesh.counted(), [("/users/jane".to_owned(), 1), (PATTERN.to_owned(), 1)].into());
}

proptest! {
    #[test]
    fn no_total_changes_by_pins_that_come_and_go(steps in prop::collection::vec(0_u8..10, 1..80)) {
        let (mut mesh, mut asked) = (Mesh::new(), 0);
        for step in steps {
            match step {
                0..=2 => {
                    mesh.ask(PATHS[usize::from(step)]);
                    asked += 1;
                }
                3 | 4 => mesh.report(),
                5 => mesh.break_off(),
                6 => mesh.command(!mesh.is_pinned),
                7 => mesh.pod_obeys(true),
                8 => mesh.send_in_vain(),
                _ => mesh.pod_obeys(false),
            }
        }
        mesh.break_off();
        mesh.report();
        prop_assert_eq!(mesh.counted().values().sum::<u64>(), asked, "{:?}", mesh.counted());
    }
}
