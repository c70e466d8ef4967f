//! `/api/v1/tap`: live exchanges of many pods, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use mesh::tap::Filter;
use mesh::workload::Workload;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::api::history::Row;
use crate::api::problem::Problem;
use crate::history::request::{HistorySource, RememberedExchange};
use crate::state::AppState;
use crate::tap::open::TapLosses;
use crate::tap::scope::TapScope;
use crate::tap::{TapReader, open};

/// Exchanges per second without `limit_per_s`. A person cannot read more than this.
const PER_SECOND: u32 = 50;

/// The highest `limit_per_s`.
const PER_SECOND_MAX: u32 = 500;

/// How often the count of dropped exchanges is sent.
const TICK: Duration = Duration::from_secs(1);

/// How often a comment is sent on an idle stream: it detects that the client has left.
const COMMENT_EVERY: Duration = Duration::from_secs(5);

/// The query parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    namespace: Option<String>,
    service: Option<String>,
    pod: Option<String>,
    method: String,
    route: String,
    status: String,
    limit_per_s: Option<String>,
}

/// One exchange, and where it happened.
#[derive(Debug, Serialize)]
struct Exchange<'a> {
    namespace: &'a str,
    service: &'a str,
    method: String,
    route: String,
    #[serde(flatten)]
    row: Row,
}

/// `GET /api/v1/tap`: opens a tap, which ends when its client leaves.
pub(super) async fn events(
    State(plane): State<Arc<AppState>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted?;
    let filter =
        Filter::read(&wanted.method, &wanted.route, &wanted.status).map_err(|why| Problem::parameter(why.to_string()))?;
    let per_second_max = rate(wanted.limit_per_s.as_deref())?;
    let scope = TapScope { namespace: wanted.namespace, service: wanted.service, pod: wanted.pod };
    check(&scope, &plane)?;
    let reader = match plane.taps.open(scope, filter, per_second_max) {
        Ok(reader) => reader,
        Err(why) => {
            let problem =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-taps", "Too many taps are open", why.to_string());
            return Ok(([(RETRY_AFTER, "5")], problem).into_response());
        }
    };
    let live = Live::new(reader, per_second_max, plane.drain.clone());
    let sse = Sse::new(live.into_stream()).keep_alive(KeepAlive::new().interval(COMMENT_EVERY));
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], sse).into_response())
}

fn rate(text: Option<&str>) -> Result<u32, Problem> {
    let Some(text) = text else { return Ok(PER_SECOND) };
    let rate = text.parse().ok().filter(|rate| (1..=PER_SECOND_MAX).contains(rate));
    rate.ok_or_else(|| Problem::parameter(format!("limit_per_s={text}: it must be a number from 1 to {PER_SECOND_MAX}")))
}

/// Refuses an unknown service: it is more likely mistyped than expected later.
fn check(scope: &TapScope, plane: &AppState) -> Result<(), Problem> {
    let Some(service) = &scope.service else { return Ok(()) };
    let is_in_scope = |namespace: &str| scope.namespace.as_ref().is_none_or(|wanted| wanted == namespace);
    let services = plane.fleet.services();
    if services.iter().any(|(namespace, known)| known == service && is_in_scope(namespace)) {
        return Ok(());
    }
    let detail = format!("no pod of a service {service} has ever reported; /api/v1/pods lists those there are");
    Err(Problem::new(StatusCode::NOT_FOUND, "unknown-service", "No such service", detail))
}

/// The stream of one client.
struct Live {
    reader: TapReader,
    begun: bool,
    ended: bool,
    told: TapLosses,
    ticks: Interval,
    per_second_max: u32,
    drain: CancellationToken,
}

impl Live {
    fn new(reader: TapReader, per_second_max: u32, drain: CancellationToken) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { reader, begun: false, ended: false, told: TapLosses::default(), ticks, per_second_max, drain }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut live| async move {
            let event = live.next().await?;
            Some((Ok(event), live))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Some(event("tap", &json!({"id": self.reader.tap.id, "limit_per_s": self.per_second_max})));
        }
        loop {
            tokio::select! {
                happened = self.reader.events.recv() => match happened {
                    Some(happened) => return Some(told(happened)),
                    None => return Some(self.end("the client has read nothing for too long")),
                },
                _ = self.ticks.tick() => if let Some(dropped) = self.dropped() { return Some(dropped) },
                () = self.drain.cancelled() => return Some(self.end("the control plane is shutting down")),
            }
        }
    }

    /// What was not shown since the tap was opened, if the counts have changed since they were last sent.
    fn dropped(&mut self) -> Option<Event> {
        let lost = self.reader.tap.losses();
        let is_more = lost != self.told;
        self.told = lost;
        is_more.then(|| event("dropped", &lost))
    }

    fn end(&mut self, why: &str) -> Event {
        self.ended = true;
        event("ended", &json!({"why": why}))
    }
}

fn told(happened: open::TapEvent) -> Event {
    let pod = |workload: &Workload, state| json!({"namespace": workload.namespace, "service": workload.service, "pod": workload.pod, "state": state});
    match happened {
        open::TapEvent::Joined(workload) => event("pod", &pod(&workload, "tapped")),
        open::TapEvent::Left(workload) => event("pod", &pod(&workload, "gone")),
        open::TapEvent::Seen(workload, seen) => event(
            "exchange",
            &Exchange {
                namespace: &workload.namespace,
                service: &workload.service,
                method: seen.endpoint.method().to_owned(),
                route: seen.endpoint.route().to_owned(),
                row: Row::from(RememberedExchange {
                    pod: workload.pod.as_str().into(),
                    exchange: seen.exchange,
                    source: HistorySource::Fetched,
                }),
            },
        ),
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("texts and numbers are always JSON");
    Event::default().event(name).data(mesh::visible::json(&data))
}
