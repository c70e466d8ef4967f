//! The overview of a large mesh: the server applies the filter and sends only the rows on the screen.

use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::overview::Overview;
use crate::dashboard::query::OverviewQuery;
use format::number;

/// Endpoints up to which every row is sent to every client, so that a filter needs no request. Above it, the server
/// filters and sends only the rows on the screen: each row is some kilobytes, and some bytes every second.
pub const ALL_ROWS_MAX: usize = 1000;

/// Rows that are sent if the server applies the filter: as many as the script shows at a time.
pub(super) const CHOSEN_MAX: usize = 200;

/// The shape of a page whose rows the server chooses.
pub(super) const CHOSEN: &str = "chosen";

impl Overview {
    /// The live frame. On a large mesh, it has the first rows that pass the filter, in the requested order.
    pub fn moment(mut self, view: &OverviewQuery) -> LiveFrame {
        if self.page.shape == CHOSEN {
            self.rows.retain(|row| view.shows(row));
            self.rows.sort_by(|a, b| view.order.compare(&a.keys, &b.keys));
            let passing = self.rows.len();
            self.rows.truncate(CHOSEN_MAX);
            let shown = self.rows.len();
            if shown < passing {
                let all = number::plural(passing, "endpoint", "endpoints");
                self.page.foot = format!("Showing {shown} of {all}: filter to see the others");
            }
        }
        let cells = self.cells();
        let rows = self.rows.into_iter().map(|row| (row.id, Some(row.keys))).collect();
        LiveFrame::of(self.taken_ms, cells, rows)
    }
}
