//! Reports on the wire: endpoints are spelled out once a stream, and numbered from then on.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::golden::{GoldenMetrics, STATUSES_MAX};
use mesh::histogram::{Histogram, INDEX_MAX, INDEX_MIN};
use mesh::report::{Coverage, EndpointReport, Report, Resources, Seen};

use crate::convert::exchanges::{exchange, sample};
use crate::convert::{Refused, bounded};
use crate::wire;

/// Endpoints that one stream may define: four times what a sidecar keeps apart, so that limits can be raised
/// on the sidecars before the control plane.
pub const DEFINITIONS_MAX: usize = 1024;

/// Exchanges that one report may carry.
pub const SAMPLES_MAX: usize = 2048;

/// The number of the endpoint that everything over the limit shares.
const OTHER_ID: u32 = 0;

/// Numbers in `extremes`.
const EXTREMES: usize = 5;

/// The sidecar's end: gives numbers to endpoints as they appear.
#[derive(Debug, Default)]
pub struct Encoder {
    ids: HashMap<Endpoint, u32>,
}

impl Encoder {
    /// Puts a report on the wire.
    pub fn encode(&mut self, report: &Report) -> wire::Live {
        let mut live = wire::Live {
            seq: report.seq,
            snapshot: report.coverage == Coverage::Snapshot,
            at_ms: report.at_ms,
            resources: report.resources.map(wire::Resources::from),
            ..wire::Live::default()
        };
        for endpoint in &report.endpoints {
            let id = self.id_of(endpoint, &mut live.defs);
            live.stats.push(stat(id, endpoint));
            live.samples.extend(endpoint.recent.iter().map(|exchange| sample_of(id, report.at_ms, exchange)));
        }
        live
    }

    fn id_of(&mut self, report: &EndpointReport, defs: &mut Vec<wire::Def>) -> u32 {
        if report.endpoint.is_other() {
            return OTHER_ID;
        }
        if let Some(id) = self.ids.get(&report.endpoint) {
            return *id;
        }
        let id = self.ids.len() as u32 + 1;
        self.ids.insert(report.endpoint.clone(), id);
        defs.push(wire::Def {
            id,
            method: report.endpoint.method().to_owned(),
            route: report.endpoint.route().to_owned(),
            file: report.is_file,
        });
        id
    }
}

/// The control plane's end: remembers which number stands for which endpoint.
#[derive(Debug, Default)]
pub struct Decoder {
    endpoints: HashMap<u32, Defined, RandomState>,
    /// Reports decoded so far.
    reports: u64,
}

/// An endpoint that has a number.
#[derive(Debug)]
struct Defined {
    endpoint: Endpoint,
    is_file: bool,
    /// The report that told of it last, and its place there.
    told: (u64, usize),
}

impl Decoder {
    /// Takes a report off the wire, or says which field is wrong. Definitions before the fault are kept.
    pub fn decode(&mut self, live: wire::Live) -> Result<Report, Refused> {
        for def in live.defs {
            self.define(&def)?;
        }
        let mut report = Report {
            seq: live.seq,
            coverage: if live.snapshot { Coverage::Snapshot } else { Coverage::Change },
            at_ms: live.at_ms,
            endpoints: Vec::with_capacity(live.stats.len().min(DEFINITIONS_MAX)),
            resources: live.resources.map(Resources::from),
        };
        self.reports += 1;
        for stat in bounded("stats", live.stats, DEFINITIONS_MAX + 1)? {
            let reports = self.reports;
            let defined = self.defined(stat.id)?;
            if std::mem::replace(&mut defined.told, (reports, report.endpoints.len())).0 == reports {
                return Err(Refused::Senseless { field: "stats", why: format!("number {} is there twice", stat.id) });
            }
            report.endpoints.push(EndpointReport {
                endpoint: defined.endpoint.clone(),
                is_file: defined.is_file,
                in_flight: stat.in_flight,
                seen: (stat.first_ms > 0).then(|| Seen { first_ms: stat.first_ms, last_ms: stat.last_ms.max(stat.first_ms) }),
                golden: golden(&stat)?,
                recent: Vec::new(),
            });
        }
        for sample in bounded("samples", live.samples, SAMPLES_MAX)? {
            // A sample of an endpoint that tells nothing else has nowhere to go.
            let told = self.endpoints.get(&sample.id).map(|defined| defined.told);
            let Some((_, place)) = told.filter(|(reports, _)| *reports == self.reports) else { continue };
            let started_ms = report.at_ms.saturating_sub(u64::from(sample.ago_ms));
            let exchange = Exchange { started_ms, ..exchange(sample)? };
            report.endpoints[place].recent.push(exchange);
        }
        Ok(report)
    }

    fn define(&mut self, def: &wire::Def) -> Result<(), Refused> {
        if self.endpoints.len() >= DEFINITIONS_MAX {
            return Err(Refused::TooMuch { field: "defs", limit: DEFINITIONS_MAX });
        }
        let endpoint =
            Endpoint::named(&def.method, &def.route).map_err(|why| Refused::Senseless { field: "defs", why: why.to_string() })?;
        let defined = Defined { endpoint, is_file: def.file, told: (0, 0) };
        if def.id == OTHER_ID || self.endpoints.insert(def.id, defined).is_some() {
            return Err(Refused::Senseless { field: "defs", why: format!("number {} is taken", def.id) });
        }
        Ok(())
    }

    fn defined(&mut self, id: u32) -> Result<&mut Defined, Refused> {
        if id == OTHER_ID {
            let other = || Defined { endpoint: Endpoint::other(), is_file: false, told: (0, 0) };
            return Ok(self.endpoints.entry(OTHER_ID).or_insert_with(other));
        }
        let known = self.endpoints.get_mut(&id);
        known.ok_or_else(|| Refused::Senseless { field: "stats", why: format!("number {id} was never defined") })
    }
}

fn stat(id: u32, report: &EndpointReport) -> wire::Stat {
    let golden = &report.golden;
    let mut stat = wire::Stat {
        id,
        hits: golden.hits,
        total_us: golden.total_us,
        max_us: golden.max_us,
        bytes_in: golden.bytes_in,
        bytes_out: golden.bytes_out,
        status: golden.statuses().iter().flat_map(|(code, count)| [u64::from(*code), *count]).collect(),
        in_flight: report.in_flight,
        by_rule: golden.by_rule,
        failed: golden.failed,
        failed_by_sitio: golden.failed_by_sitio,
        extremes: extremes(golden),
        first_ms: report.seen.map_or(0, |seen| seen.first_ms),
        last_ms: report.seen.map_or(0, |seen| seen.last_ms),
        hist_zeros: golden.latency.zeros(),
        ..wire::Stat::default()
    };
    let mut before = 0;
    for (index, count) in golden.latency.buckets() {
        stat.hist_gap.push(index - before);
        stat.hist_n.push(count);
        before = index;
    }
    stat
}

/// What cannot be added up, and the time to the first byte. Nothing at all for an endpoint that has only something under way.
fn extremes(golden: &GoldenMetrics) -> Vec<u64> {
    let mut extremes = vec![
        golden.min_us.map_or(0, |min_us| min_us.saturating_add(1)),
        golden.total_us.saturating_sub(golden.first_byte_total_us),
        golden.max_us.saturating_sub(golden.first_byte_max_us),
        golden.bytes_in_max,
        golden.bytes_out_max,
    ];
    while extremes.last() == Some(&0) {
        extremes.pop();
    }
    extremes
}

fn set_extremes(golden: &mut GoldenMetrics, extremes: &[u64]) -> Result<(), Refused> {
    if extremes.len() > EXTREMES {
        return Err(Refused::TooMuch { field: "extremes", limit: EXTREMES });
    }
    let why = || Refused::Senseless { field: "extremes", why: "the first byte cannot come after the last".into() };
    let extreme = |at: usize| extremes.get(at).copied().unwrap_or(0);
    golden.min_us = extreme(0).checked_sub(1);
    golden.first_byte_total_us = golden.total_us.checked_sub(extreme(1)).ok_or_else(why)?;
    golden.first_byte_max_us = golden.max_us.checked_sub(extreme(2)).ok_or_else(why)?;
    golden.bytes_in_max = extreme(3);
    golden.bytes_out_max = extreme(4);
    Ok(())
}

fn golden(stat: &wire::Stat) -> Result<GoldenMetrics, Refused> {
    let mut golden = GoldenMetrics::default();
    golden.hits = stat.hits;
    golden.by_rule = stat.by_rule;
    golden.failed = stat.failed;
    golden.failed_by_sitio = stat.failed_by_sitio;
    golden.total_us = stat.total_us;
    golden.max_us = stat.max_us;
    golden.bytes_in = stat.bytes_in;
    golden.bytes_out = stat.bytes_out;
    set_extremes(&mut golden, &stat.extremes)?;
    let (codes, odd) = stat.status.as_chunks::<2>();
    if !odd.is_empty() || codes.len() > STATUSES_MAX + 1 {
        return Err(Refused::TooMuch { field: "status", limit: STATUSES_MAX });
    }
    for [code, count] in codes {
        let code = u16::try_from(*code).ok().filter(|code| *code < 1000);
        let why = || Refused::Senseless { field: "status", why: "a status has three digits".into() };
        golden.add_status(code.ok_or_else(why)?, *count);
    }
    golden.latency = histogram(&stat.hist_gap, &stat.hist_n)?;
    golden.latency.add_zeros(stat.hist_zeros);
    Ok(golden)
}

fn histogram(gaps: &[i32], counts: &[u64]) -> Result<Histogram, Refused> {
    if gaps.len() != counts.len() {
        return Err(Refused::Senseless { field: "hist_n", why: "it must be as long as hist_gap".into() });
    }
    let mut histogram = Histogram::default();
    let mut index = 0_i32;
    if let Some(lowest) = gaps.first() {
        histogram.cover(*lowest, gaps.iter().fold(0, |highest: i32, gap| highest.saturating_add(*gap)));
    }
    for (gap, count) in gaps.iter().zip(counts) {
        index = index.saturating_add(*gap);
        if !(INDEX_MIN..=INDEX_MAX).contains(&index) {
            let why = format!("bucket {index} is outside {INDEX_MIN} to {INDEX_MAX}");
            return Err(Refused::Senseless { field: "hist_gap", why });
        }
        histogram.add(index, *count);
    }
    Ok(histogram)
}

/// An exchange of a report, dated back from it.
fn sample_of(id: u32, at_ms: u64, exchange: &Exchange) -> wire::Sample {
    let ago_ms = u32::try_from(at_ms.saturating_sub(exchange.started_ms)).unwrap_or(u32::MAX);
    wire::Sample { id, ago_ms, started_ms: 0, ..sample(exchange) }
}

impl From<Resources> for wire::Resources {
    fn from(resources: Resources) -> Self {
        Self {
            rss: resources.memory_bytes,
            mem_limit: resources.memory_limit_bytes,
            cpu_milli: resources.cpu_milli,
            cpu_limit_milli: resources.cpu_limit_milli,
            open_conns: resources.connections,
            throttled_milli: resources.throttled_milli,
        }
    }
}

impl From<wire::Resources> for Resources {
    fn from(resources: wire::Resources) -> Self {
        Self {
            memory_bytes: resources.rss,
            memory_limit_bytes: resources.mem_limit,
            cpu_milli: resources.cpu_milli,
            cpu_limit_milli: resources.cpu_limit_milli,
            throttled_milli: resources.throttled_milli,
            connections: resources.open_conns,
        }
    }
}

#[cfg(test)]
mod tests;
