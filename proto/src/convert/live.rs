//! Encodes and decodes reports; a stream defines each endpoint once and then refers to it by number.

use std::collections::HashMap;
use std::fmt;

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::refusal::{RefusalReason, Refusals};
use mesh::report::{Coverage, ListenerState, Report, Resources, ServiceSigns};
use prost::Message as _;

use crate::convert::InvalidMessage;
use crate::convert::callers::encode;
use crate::convert::exchanges::sample;
use crate::convert::rule_totals::rule_totals;
use crate::convert::stats::stat;
use crate::wire;

mod frames;

/// Endpoints that one stream may define, and the highest number of one. It is four times the
/// endpoints of a sidecar, so that limits can be raised on the sidecars before the control plane.
pub const DEFINITIONS_MAX: usize = 1024;

/// Rows of a report or a window: one for each definition, and one for everything over the limit.
pub(super) const ROWS_MAX: usize = DEFINITIONS_MAX + 1;

/// Exchanges that one report may carry.
pub const SAMPLES_MAX: usize = 2048;

/// The number of the shared endpoint that counts everything over the limit.
const OTHER_ID: u32 = 0;

/// The encoder of a sidecar: assigns numbers to endpoints as they appear.
#[derive(Debug, Default)]
pub struct Encoder {
    ids: HashMap<Endpoint, u32>,
    is_used_up: bool,
}

impl Encoder {
    /// Returns whether there are numbers for all of these endpoints, and remembers if there are not. Then the sidecar
    /// must end the stream: the next one defines only the endpoints that still exist.
    pub fn check_numbers_for<'a>(&mut self, endpoints: impl Iterator<Item = &'a Endpoint>) -> bool {
        let newcomers = endpoints.filter(|endpoint| !endpoint.is_other() && !self.ids.contains_key(*endpoint)).count();
        self.is_used_up |= self.ids.len() + newcomers > DEFINITIONS_MAX;
        !self.is_used_up
    }

    /// Whether an earlier check found too few numbers.
    pub fn is_used_up(&self) -> bool {
        self.is_used_up
    }

    /// Encodes a report.
    pub fn encode(&mut self, report: &Report) -> wire::Live {
        let mut live = wire::Live {
            seq: report.seq,
            snapshot: report.coverage == Coverage::Snapshot,
            at_ms: report.at_ms,
            resources: report.resources.map(wire::Resources::from),
            rules: report.rules.iter().map(rule_totals).collect(),
            ..wire::Live::default()
        };
        for endpoint in &report.endpoints {
            let id = self.id_of(&endpoint.endpoint, endpoint.is_file, &mut live.defs);
            live.stats.push(wire::Stat { in_flight: endpoint.in_flight, ..stat(id, &endpoint.golden, endpoint.seen) });
            live.callers.extend(encode(id, &endpoint.callers, report.at_ms));
            live.samples.extend(endpoint.recent.iter().map(|exchange| sample_of(id, report.at_ms, exchange)));
        }
        live
    }

    /// The number of an endpoint; adds a definition if it has none yet.
    pub(super) fn id_of(&mut self, endpoint: &Endpoint, is_file: bool, defs: &mut Vec<wire::Def>) -> u32 {
        if endpoint.is_other() {
            return OTHER_ID;
        }
        if let Some(id) = self.ids.get(endpoint) {
            return *id;
        }
        let id = self.ids.len() as u32 + 1;
        self.ids.insert(endpoint.clone(), id);
        let (method, route) = (endpoint.method().to_owned(), endpoint.route().to_owned());
        defs.push(wire::Def { id, method, route, file: is_file });
        id
    }
}

/// The decoder of the control plane: maps the numbers of a stream to endpoints.
#[derive(Debug, Default)]
pub struct Decoder {
    /// By number, in contiguous memory, because all rows of a frame are looked up here.
    endpoints: Vec<Option<Defined>>,
    definitions: usize,
    /// Reports and windows decoded so far.
    messages: u64,
    names: Option<SharedNames>,
}

/// Replaces an endpoint by a shared one of the same name.
struct SharedNames(Box<dyn Fn(Endpoint) -> Endpoint + Send + Sync>);

impl fmt::Debug for SharedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// An endpoint with a number.
#[derive(Debug)]
pub(super) struct Defined {
    pub(super) endpoint: Endpoint,
    /// The last message that had a row of it, and the index of that row.
    reported: u64,
    place: u32,
    pub(super) is_file: bool,
}

impl Decoder {
    /// A decoder that shares endpoint names with other streams through `names`. Ten thousand
    /// streams that define the same twenty endpoints then hold each name once, and it stays in the
    /// CPU cache.
    pub fn sharing(names: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        Self { names: Some(SharedNames(Box::new(names))), ..Self::default() }
    }

    /// The row index of an endpoint in the current message. Data of an endpoint without a row there is dropped.
    fn place(&self, id: u32) -> Option<usize> {
        let defined = self.endpoints.get(id as usize)?.as_ref()?;
        (defined.reported == self.messages).then_some(defined.place as usize)
    }

    /// Starts a new message.
    pub(super) fn begin(&mut self) {
        self.messages += 1;
    }

    /// Returns the endpoint of a row and records the row's index. A second row of the same endpoint is an error.
    pub(super) fn defined_row(&mut self, id: u32, place: usize) -> Result<&Defined, InvalidMessage> {
        let message = self.messages;
        let defined = self.defined(id)?;
        if std::mem::replace(&mut defined.reported, message) == message {
            return Err(InvalidMessage::Senseless { field: "stats", why: format!("number {id} is there twice") });
        }
        defined.place = place as u32;
        Ok(defined)
    }

    /// Assigns a number to an endpoint.
    pub(super) fn define(&mut self, def: &wire::Def) -> Result<(), InvalidMessage> {
        let over = || InvalidMessage::TooMuch { field: "defs", limit: DEFINITIONS_MAX };
        let place = usize::try_from(def.id).ok().filter(|id| *id <= DEFINITIONS_MAX && self.definitions < DEFINITIONS_MAX);
        let place = place.ok_or_else(over)?;
        let endpoint = Endpoint::named(&def.method, &def.route)
            .map_err(|why| InvalidMessage::Senseless { field: "defs", why: why.to_string() })?;
        if self.endpoints.len() <= place {
            self.endpoints.resize_with(place + 1, || None);
        }
        let known = &mut self.endpoints[place];
        if def.id == OTHER_ID || known.is_some() {
            return Err(InvalidMessage::Senseless { field: "defs", why: format!("number {} is taken", def.id) });
        }
        let endpoint = if let Some(SharedNames(shared)) = &self.names { shared(endpoint) } else { endpoint };
        *known = Some(Defined { endpoint, reported: 0, place: 0, is_file: def.file });
        self.definitions += 1;
        Ok(())
    }

    fn defined(&mut self, id: u32) -> Result<&mut Defined, InvalidMessage> {
        if id == OTHER_ID && self.endpoints.first().is_none_or(Option::is_none) {
            self.endpoints.resize_with(self.endpoints.len().max(1), || None);
            self.endpoints[0] = Some(Defined { endpoint: Endpoint::other(), reported: 0, place: 0, is_file: false });
        }
        let known = self.endpoints.get_mut(id as usize).and_then(Option::as_mut);
        known.ok_or_else(|| InvalidMessage::Senseless { field: "stats", why: format!("number {id} was never defined") })
    }
}

/// Encodes a report as a message of the stream.
impl From<wire::Live> for wire::up::Message {
    fn from(live: wire::Live) -> Self {
        Self::Live(live.encode_to_vec().into())
    }
}

/// Encodes an exchange of a report, with its age relative to the report.
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
            refused: refused(&resources.refused),
            listener: match resources.service.listener {
                ListenerState::Unknown => wire::ListenerState::Unknown,
                ListenerState::NotYet => wire::ListenerState::NotYet,
                ListenerState::Listening => wire::ListenerState::Listening,
                ListenerState::Gone => wire::ListenerState::Gone,
            }
            .into(),
            service_restarts: resources.service.restarts,
            since_restart_ms: resources.service.since_restart_ms,
            oom_kills: resources.service.oom_kills,
            since_oom_kill_ms: resources.service.since_oom_kill_ms,
        }
    }
}

/// The counts of all reasons, up to the last one that is not zero.
fn refused(refusals: &Refusals) -> Vec<u64> {
    let known = RefusalReason::EACH.iter().rposition(|reason| refusals[*reason] > 0).map_or(0, |last| last + 1);
    RefusalReason::EACH[..known].iter().map(|reason| refusals[*reason]).collect()
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
            // A later version may have further reasons.
            refused: RefusalReason::EACH.into_iter().zip(&resources.refused).fold(
                Refusals::default(),
                |mut refusals, (reason, count)| {
                    refusals[reason] = *count;
                    refusals
                },
            ),
            service: ServiceSigns {
                // A later version may have further states.
                listener: match resources.listener() {
                    wire::ListenerState::Unknown => ListenerState::Unknown,
                    wire::ListenerState::NotYet => ListenerState::NotYet,
                    wire::ListenerState::Listening => ListenerState::Listening,
                    wire::ListenerState::Gone => ListenerState::Gone,
                },
                restarts: resources.service_restarts,
                since_restart_ms: resources.since_restart_ms,
                oom_kills: resources.oom_kills,
                since_oom_kill_ms: resources.since_oom_kill_ms,
            },
        }
    }
}

#[cfg(test)]
mod tests;
