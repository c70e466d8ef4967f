//! The page of notices: what is wrong with services now, what was lately, and the channels that report it.

use askama::Template;
use axum::extract::Query;
use serde::Serialize;

use crate::dashboard::frame::FrameCells;
use crate::dashboard::heading::HeadingCells;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::live_values::Cells;
use crate::dashboard::notices::row::{ChannelCells, NoticeRowCells};
use crate::dashboard::page::{HtmlPage, PageReader, Shell};
use crate::dashboard::query::ViewQuery;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::model::notice::Notice;
use crate::query::reader::Reader;
use crate::query::snapshot::Snapshot;
use format::number;

pub mod row;
pub mod strip;

/// The path of the page, below the dashboard's root.
pub const PAGE: &str = "notices";

/// The notices at one second.
#[derive(Debug)]
pub struct NoticesView {
    taken_ms: u64,
    frame: FrameCells,
    page: NoticesPageCells,
    groups: Vec<(HeadingCells, Vec<NoticeRowCells>)>,
    channels: Vec<ChannelCells>,
}

/// The counts and texts around the table.
#[derive(Debug, Clone, Default, Serialize)]
struct NoticesPageCells {
    /// `nothing` or `rows`.
    state: &'static str,
    foot: String,
    /// The zone of the times.
    zone: String,
    /// Why the notifications file cannot be used; empty if it can.
    file_error: String,
}

impl NoticesView {
    /// What this reader sees.
    pub fn of(reader: &Reader, snapshot: &Snapshot, zone: &Zone) -> Self {
        let notices = reader.notices();
        let rows =
            |notices: &[Notice]| notices.iter().map(|notice| NoticeRowCells::of(notice, snapshot.taken_ms, zone)).collect();
        let group =
            |id: &str, title: &str, notices: &[Notice]| (HeadingCells::new(id.to_owned(), title.to_owned()), rows(notices));
        let groups = [group("firing", "Firing", &notices.firing), group("ended", "Resolved", &notices.resolved)];
        let (firing, resolved) = (notices.firing.len(), notices.resolved.len());
        let channels = reader.notification_channels().into_iter();
        Self {
            taken_ms: snapshot.taken_ms,
            frame: FrameCells::of("Notices", snapshot),
            page: NoticesPageCells {
                state: if firing + resolved == 0 { "nothing" } else { "rows" },
                foot: format!("{} firing, {} resolved", number::count(firing as u64), number::count(resolved as u64)),
                zone: zone.words(),
                file_error: reader.notifications_error().unwrap_or_default(),
            },
            groups: groups.into_iter().filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty()).collect(),
            channels: channels.map(|(name, transport, counts)| ChannelCells::of(name, transport, counts, zone)).collect(),
        }
    }

    /// The live frame of the page.
    pub fn live_frame(self) -> LiveFrame {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        for channel in &self.channels {
            cells.show(channel.id.clone(), channel);
        }
        let mut rows = Vec::new();
        for (heading, notices) in self.groups {
            cells.show(heading.id.clone(), &heading);
            rows.push((heading.id, None));
            for notice in notices {
                cells.show(notice.id.clone(), &notice);
                rows.push((notice.id, None));
            }
        }
        LiveFrame::of(self.taken_ms, cells, rows)
    }
}

/// The template of the page.
#[derive(Template)]
#[template(path = "notices.html")]
pub struct NoticesPage {
    shell: Shell,
    /// The window that links to other pages carry.
    window: &'static str,
    notices: NoticesView,
    blank_heading: HeadingCells,
    blank: NoticeRowCells,
}

/// `GET /notices`
pub async fn notices(Query(query): Query<ViewQuery>, zone: Zone, state: DashboardState) -> HtmlPage<NoticesPage> {
    let snapshot = state.snapshot();
    let notices = NoticesView::of(&state.reader, &snapshot, &zone);
    let shell = Shell::of(PAGE, "Notices", &snapshot, PageReader::from(&*state.reader.principal));
    HtmlPage(NoticesPage {
        shell: shell.carrying(query.span()).live(),
        window: query.span().name(),
        notices,
        blank_heading: HeadingCells::blank(),
        blank: NoticeRowCells::blank(),
    })
}
