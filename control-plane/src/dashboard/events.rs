//! The event stream of a page: its live values once a second, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::value::to_raw_value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::map::Map;
use crate::dashboard::notices::NoticesView;
use crate::dashboard::order::{SortOrder, head_values};
use crate::dashboard::overview::Overview;
use crate::dashboard::patch::Patch;
use crate::dashboard::pods::PodsTable;
use crate::dashboard::query::{DisplayWindow, ViewQuery};
use crate::dashboard::state::DashboardState;
use crate::dashboard::stream::{Events, StreamRefusal, answer};
use crate::dashboard::topic::Topic;
use crate::dashboard::zone::Zone;
use crate::dashboard::{assets, audit, endpoint};
use crate::query::long_windows::Depth;
use crate::store::StoreError;

/// The interval between two events.
const TICK: Duration = Duration::from_secs(1);

/// Ticks between two sorts of the rows, so that they do not move constantly.
const ORDER_EVERY_TICKS: u64 = 5;

/// Ticks without a message after which a comment is sent, so that proxies keep the stream open.
const COMMENT_AFTER_TICKS: u64 = 10;

/// An SSE comment, which browsers ignore.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// `GET /events`
pub async fn events(Query(query): Query<ViewQuery>, zone: Zone, state: DashboardState) -> Result<Response, StreamRefusal> {
    open(&state, query, zone).map(answer)
}

/// The events of a page.
pub(super) fn open(state: &DashboardState, query: ViewQuery, zone: Zone) -> Result<Events, StreamRefusal> {
    let permit = state.stream_permit().ok_or(StreamRefusal::Full)?;
    Ok(BrowserStream::new(state.clone(), Topic::of(query, zone), permit).into_events())
}

/// The live frame of a page, the same for all its viewers in this second.
///
/// What a long window needs from disk is read before, for all viewers, and not on every call.
async fn live_frame(state: &DashboardState, topic: &Topic) -> Result<Arc<LiveFrame>, StoreError> {
    let now_ms = clock::now_ms();
    let past = state.reader.past(topic.span().window(), Depth::WindowBefore, now_ms).await?;
    if let Topic::Endpoint(id, span, _) = topic {
        endpoint::read_chart(state, id, *span).await?;
    }
    let snapshot = |span: DisplayWindow| state.shared_snapshot(span, past.as_deref(), now_ms);
    Ok(state.shared_frame(topic.shared(state.reader.endpoints()), now_ms, |topic| match topic {
        Topic::Overview(view) => Overview::of(&snapshot(view.window), view.window).live_frame(view),
        Topic::Pods(view) => PodsTable::of(&snapshot(DisplayWindow::default()), view).live_frame(),
        Topic::Map(view) => Map::of(&snapshot(view.span), &state.reader.callers_by_endpoint(now_ms), view).live_frame(),
        Topic::Endpoint(id, span, zone) => endpoint::live_frame(state, &snapshot(*span), id, zone),
        Topic::Notices(zone) => NoticesView::of(&state.reader, &snapshot(DisplayWindow::default()), zone).live_frame(),
        Topic::Audit(view) => audit::log_view(&state.reader, &snapshot(DisplayWindow::default()), view).live_frame(),
    }))
}

/// One browser's stream: its topic, and the state it was last sent.
struct BrowserStream {
    state: DashboardState,
    topic: Topic,
    order: SortOrder,
    ticks: Interval,
    count: u64,
    silent: u64,
    shown: Option<Arc<LiveFrame>>,
    rows: Arc<[String]>,
    _permit: OwnedSemaphorePermit,
}

impl BrowserStream {
    fn new(state: DashboardState, (topic, order): (Topic, SortOrder), permit: OwnedSemaphorePermit) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, topic, order, ticks, count: 0, silent: 0, shown: None, rows: Arc::default(), _permit: permit }
    }

    fn into_events(self) -> Events {
        let events = stream::unfold(self, |mut live| async move {
            loop {
                tokio::select! {
                    _ = live.ticks.tick() => {}
                    _ = live.state.reader.ended() => return None,
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
        let Ok(moment) = live_frame(&self.state, &self.topic).await else {
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
        cells.insert("columns", head_values(self.topic.columns(), self.order));
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
