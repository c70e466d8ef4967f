//! The event stream of a page: its live values once a second, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::value::to_raw_value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::order::{SortOrder, head_values};
use crate::dashboard::patch::Patch;
use crate::dashboard::query::ViewQuery;
use crate::dashboard::stream::{Events, StreamRefusal, answer};
use crate::dashboard::topic::Topic;
use crate::dashboard::zone::Zone;
use crate::dashboard::{Web, assets};

/// Maximum number of open streams. Each is a visible browser tab; a hidden tab closes its own.
pub const STREAMS_MAX: usize = 512;

/// The interval between two events.
const TICK: Duration = Duration::from_secs(1);

/// Ticks between two sorts of the rows, so that they do not move constantly.
const ORDER_EVERY_TICKS: u64 = 5;

/// Ticks without a message after which a comment is sent, so that proxies keep the stream open.
const COMMENT_AFTER_TICKS: u64 = 10;

/// An SSE comment, which browsers ignore.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// `GET /events`
pub async fn events(Query(query): Query<ViewQuery>, zone: Zone, State(web): State<Arc<Web>>) -> Result<Response, StreamRefusal> {
    open(&web, query, zone).map(answer)
}

/// The events of a page.
pub(super) fn open(web: &Arc<Web>, query: ViewQuery, zone: Zone) -> Result<Events, StreamRefusal> {
    let permit = web.stream_permit().ok_or(StreamRefusal::Full)?;
    Ok(BrowserStream::new(Arc::clone(web), Topic::of(query, zone), permit).into_events())
}

/// One browser's stream: its topic, and the state it was last sent.
struct BrowserStream {
    web: Arc<Web>,
    subject: Topic,
    order: SortOrder,
    ticks: Interval,
    count: u64,
    silent: u64,
    shown: Option<Arc<LiveFrame>>,
    rows: Arc<[String]>,
    drain: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl BrowserStream {
    fn new(web: Arc<Web>, (subject, order): (Topic, SortOrder), permit: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = web.drain();
        Self { web, subject, order, ticks, count: 0, silent: 0, shown: None, rows: Arc::default(), drain, _permit: permit }
    }

    fn into_events(self) -> Events {
        let events = stream::unfold(self, |mut live| async move {
            loop {
                tokio::select! {
                    _ = live.ticks.tick() => {}
                    () = live.drain.cancelled() => return None,
                }
                if let Some(event) = live.next().await {
                    return Some((event, live));
                }
            }
        });
        events.boxed()
    }

    /// The next event. If the disk cannot be read there is none, and the page reports that its numbers are old.
    async fn next(&mut self) -> Option<Bytes> {
        let Ok(moment) = self.web.moment(&self.subject).await else {
            self.silent += 1;
            return self.silent.is_multiple_of(COMMENT_AFTER_TICKS).then_some(COMMENT);
        };
        let message = match self.shown.take() {
            None => self.whole(&moment),
            Some(shown) => self.changed(&shown, &moment),
        };
        (self.count, self.silent, self.shown) = (self.count + 1, 0, Some(moment));
        Some(message)
    }

    fn whole(&mut self, moment: &LiveFrame) -> Bytes {
        let mut cells = moment.cells.clone();
        cells.insert("columns", head_values(self.subject.columns(), self.order));
        self.rows = moment.order(self.order);
        let c = &to_raw_value(&cells).expect("cells are texts");
        Patch { v: Some(assets::version()), order: Some(&self.rows), ..Patch::tick(moment.taken_ms, c) }.finished("snap")
    }

    fn changed(&mut self, shown: &Arc<LiveFrame>, moment: &LiveFrame) -> Bytes {
        let news = moment.news_since(shown);
        let rows_differ = news.is_any_gone() || shown.rows.len() != moment.rows.len();
        let is_due = rows_differ || self.count.is_multiple_of(ORDER_EVERY_TICKS);
        match is_due.then(|| moment.order(self.order)).filter(|order| *order != self.rows) {
            None => news.message(None),
            Some(rows) => {
                let message = news.message(Some((self.order, &rows)));
                self.rows = rows;
                message
            }
        }
    }
}
