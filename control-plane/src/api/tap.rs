//! `/api/v1/tap`: live exchanges of many pods, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use api::history::Exchange;
use api::tap::{TapDropped, TapEnded, TapOpened, TapQuery, TappedExchange, TappedPod};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use mesh::tap::Filter;
use mesh::workload::Workload;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior};

use crate::api::problem::ProblemResponse;
use crate::history::request::{HistorySource, RememberedExchange};
use crate::query::reader::Reader;
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

/// Streams exchanges of many pods as they happen, as server-sent events: filtered in the sidecars, and sampled. The stream
/// ends when its client leaves.
#[utoipa::path(
    get,
    path = "/api/v1/tap",
    operation_id = "tap",
    params(TapQuery),
    responses(
        (status = 200, description = "`tap`: the tap is open, with its id. `pod`: a pod was added, or is gone. `exchange`: an Exchange with namespace, service, method and route. `dropped`: what was not shown since the beginning, by reason (rate, queue, reader, unasked, and pods that are not tapped because there are more than 256). `ended`: why the control plane has ended the stream.", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is invalid."),
        (status = 404, description = "No such service."),
        (status = 503, description = "Too many taps are open; `Retry-After` says when to retry."),
    )
)]
pub(super) async fn events(reader: Reader, query: Result<Query<TapQuery>, QueryRejection>) -> Result<Response, ProblemResponse> {
    let Query(query) = query?;
    let [method, route, status] = [&query.method, &query.route, &query.status].map(|text| text.as_deref().unwrap_or_default());
    let filter = Filter::read(method, route, status).map_err(|why| ProblemResponse::parameter(why.to_string()))?;
    let per_second_max = rate(query.limit_per_s.as_deref())?;
    let scope = TapScope { namespace: query.namespace, service: query.service, pod: query.pod, ..TapScope::default() };
    check(&scope, &reader)?;
    let tap = match reader.open_tap(scope, filter, per_second_max) {
        Ok(tap) => tap,
        Err(why) => {
            let problem =
                ProblemResponse::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-taps", "Too many taps are open", why.to_string());
            return Ok(([(RETRY_AFTER, "5")], problem).into_response());
        }
    };
    let live = Live::new(tap, per_second_max, reader);
    let sse = Sse::new(live.into_stream()).keep_alive(KeepAlive::new().interval(COMMENT_EVERY));
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], sse).into_response())
}

fn rate(text: Option<&str>) -> Result<u32, ProblemResponse> {
    let Some(text) = text else { return Ok(PER_SECOND) };
    let rate = text.parse().ok().filter(|rate| (1..=PER_SECOND_MAX).contains(rate));
    rate.ok_or_else(|| ProblemResponse::parameter(format!("limit_per_s={text}: it must be a number from 1 to {PER_SECOND_MAX}")))
}

/// Refuses an unknown service: it is more likely mistyped than expected later.
fn check(scope: &TapScope, reader: &Reader) -> Result<(), ProblemResponse> {
    let Some(service) = &scope.service else { return Ok(()) };
    let is_in_scope = |namespace: &str| scope.namespace.as_ref().is_none_or(|wanted| wanted == namespace);
    let services = reader.services();
    if services.iter().any(|(namespace, known)| known == service && is_in_scope(namespace)) {
        return Ok(());
    }
    let detail = format!("no pod of a service {service} has ever reported; /api/v1/pods lists those there are");
    Err(ProblemResponse::new(StatusCode::NOT_FOUND, "unknown-service", "No such service", detail))
}

/// The stream of one client.
struct Live {
    tap: TapReader,
    begun: bool,
    ended: bool,
    reported: TapLosses,
    ticks: Interval,
    per_second_max: u32,
    reader: Reader,
}

impl Live {
    fn new(tap: TapReader, per_second_max: u32, reader: Reader) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tap, begun: false, ended: false, reported: TapLosses::default(), ticks, per_second_max, reader }
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
            return Some(event("tap", &TapOpened { id: self.tap.tap.id, limit_per_s: self.per_second_max }));
        }
        loop {
            tokio::select! {
                received = self.tap.events.recv() => match received {
                    Some(tap_event) => return Some(sse_event(tap_event)),
                    None => return Some(self.end("the client has read nothing for too long")),
                },
                _ = self.ticks.tick() => if let Some(dropped) = self.dropped() { return Some(dropped) },
                why = self.reader.ended() => return Some(self.end(why)),
            }
        }
    }

    /// What was not shown since the tap was opened, if the counts have changed since they were last sent.
    fn dropped(&mut self) -> Option<Event> {
        let lost = self.tap.tap.losses();
        let is_more = lost != self.reported;
        self.reported = lost;
        let TapLosses { rate, queue, reader, unasked, pods } = lost;
        is_more.then(|| event("dropped", &TapDropped { rate, queue, reader, unasked, pods }))
    }

    fn end(&mut self, why: &str) -> Event {
        self.ended = true;
        event("ended", &TapEnded { why: why.to_owned() })
    }
}

fn sse_event(tap_event: open::TapEvent) -> Event {
    match tap_event {
        open::TapEvent::Joined(workload) => event("pod", &tapped_pod(&workload, "tapped")),
        open::TapEvent::Left(workload) => event("pod", &tapped_pod(&workload, "gone")),
        open::TapEvent::Seen(workload, seen) => event(
            "exchange",
            &TappedExchange {
                namespace: workload.namespace.clone(),
                service: workload.service.clone(),
                method: seen.endpoint.method().to_owned(),
                route: seen.endpoint.route().to_owned(),
                exchange: Exchange::from(RememberedExchange {
                    pod: workload.pod.as_str().into(),
                    exchange: seen.exchange,
                    source: HistorySource::Fetched,
                }),
            },
        ),
    }
}

fn tapped_pod(workload: &Workload, state: &str) -> TappedPod {
    TappedPod {
        namespace: workload.namespace.clone(),
        service: workload.service.clone(),
        pod: workload.pod.clone(),
        state: state.to_owned(),
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("texts and numbers are always JSON");
    Event::default().event(name).data(mesh::visible::json(&data))
}
