//! A page's live values, once a second, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::web::cells::Cells;
use crate::web::moment::Moment;
use crate::web::order::{Order, head_values};
use crate::web::subject::Subject;
use crate::web::view::ViewQuery;
use crate::web::zone::Zone;
use crate::web::{Web, assets};

/// Streams open at a time. Each is a browser tab that somebody looks at; a hidden tab closes its own.
pub const STREAMS_MAX: usize = 512;

/// How often values are sent.
const TICK: Duration = Duration::from_secs(1);

/// Ticks between two changes of the order, so that rows do not dance under the eye.
const ORDER_EVERY_TICKS: u64 = 5;

/// How often a comment is sent when nothing else is, so that no proxy takes the stream for dead.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

/// `GET /events`
pub async fn events(Query(query): Query<ViewQuery>, zone: Zone, State(web): State<Arc<Web>>) -> Response {
    let Some(permit) = web.stream_permit() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [("Retry-After", "5")], "too many live pages are open\n").into_response();
    };
    let live = Live::new(web, Subject::of(query, zone), permit);
    let sse = Sse::new(live.into_stream()).keep_alive(KeepAlive::new().interval(COMMENT_EVERY));
    ([(HeaderName::from_static("x-accel-buffering"), "no")], sse).into_response()
}

/// What one message says. Values are finished text; no markup ever travels.
#[derive(Debug, Serialize)]
struct Message<'a> {
    /// When the numbers were true, milliseconds since the Unix epoch.
    t: u64,
    /// What to set: by the id of an element, then by key. It was put into JSON once for all who are told the same.
    c: &'a RawValue,
    /// The build that speaks, in a whole message: a page of another one must be loaded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<&'static str>,
    /// The order of the rows, if it is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<String>>,
    /// Rows that are no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

/// One browser's stream: what it looks at, and what it was told.
struct Live {
    web: Arc<Web>,
    subject: Subject,
    order: Order,
    ticks: Interval,
    count: u64,
    shown: Option<Arc<Moment>>,
    rows: Vec<String>,
    drain: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    fn new(web: Arc<Web>, (subject, order): (Subject, Order), permit: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = web.drain();
        Self { web, subject, order, ticks, count: 0, shown: None, rows: Vec::new(), drain, _permit: permit }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut live| async move {
            loop {
                tokio::select! {
                    _ = live.ticks.tick() => {}
                    () = live.drain.cancelled() => return None,
                }
                if let Some(event) = live.next().await {
                    return Some((Ok(event), live));
                }
            }
        })
    }

    /// What there is to tell. If the disk cannot be read there is nothing, and the page says that its numbers are old.
    async fn next(&mut self) -> Option<Event> {
        let moment = self.web.moment(&self.subject).await.ok()?;
        let event = match self.shown.take() {
            None => self.whole(&moment),
            Some(shown) => self.changed(&shown, &moment),
        };
        self.count += 1;
        self.shown = Some(moment);
        Some(event)
    }

    fn whole(&mut self, moment: &Moment) -> Event {
        let mut cells = moment.cells.clone();
        cells.insert("columns", head_values(self.subject.columns(), self.order));
        self.rows = moment.order(self.order);
        let c = &to_raw_value(cells.elements()).expect("cells are texts");
        let v = Some(assets::version());
        Message { t: moment.taken_ms, c, v, order: Some(self.rows.clone()), gone: Vec::new() }.named("snap")
    }

    fn changed(&mut self, shown: &Arc<Moment>, moment: &Moment) -> Event {
        let (before, after): (&Cells, &Cells) = (&shown.cells, &moment.cells);
        let gone = before.gone(after);
        let rows_differ = !gone.is_empty() || shown.rows.len() != moment.rows.len();
        let mut order = None;
        if rows_differ || self.count.is_multiple_of(ORDER_EVERY_TICKS) {
            order = Some(moment.order(self.order)).filter(|order| *order != self.rows);
        }
        if let Some(order) = &order {
            self.rows.clone_from(order);
        }
        Message { t: moment.taken_ms, c: &moment.changes_since(shown), v: None, order, gone }.named("tick")
    }
}

impl Message<'_> {
    fn named(self, name: &str) -> Event {
        Event::default().event(name).json_data(self).expect("a message is texts and numbers")
    }
}
