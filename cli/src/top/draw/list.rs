//! Draws the list of endpoints, with as many columns as fit.

use api::endpoints::Endpoint;
use format::label::service_label;
use format::number;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Row, Table, TableState};

use crate::color::ColorMode;
use crate::stat;
use crate::stat::Sort;
use crate::table::column::Cell;
use crate::top::draw::styles::span;
use crate::top::model::Model;

/// A column of the list.
struct ListColumn {
    title: &'static str,
    /// The sort order that belongs to the column, if any.
    sort: Option<Sort>,
    width: Constraint,
    alignment: Alignment,
    /// The column is hidden on narrower screens.
    screen_min: u16,
    cell: fn(&Endpoint) -> Cell,
}

const COLUMNS: [ListColumn; 12] = [
    words("SERVICE", Constraint::Length(16), 70, |endpoint| Cell::new(service_label(&endpoint.namespace, &endpoint.service))),
    words("METHOD", Constraint::Length(7), 0, |endpoint| Cell::new(&endpoint.method)),
    words("ROUTE", Constraint::Fill(1), 0, |endpoint| Cell::new(&endpoint.route)),
    number("RPS", Some(Sort::Rps), 6, 0, |endpoint| Cell::new(number::rate(endpoint.rps))),
    number("HITS", Some(Sort::Hits), 9, 130, |endpoint| Cell::new(number::count(endpoint.hits))),
    number("SUCCESS", Some(Sort::Success), 8, 50, stat::success),
    number("P50", Some(Sort::P50), 7, 120, |endpoint| stat::latency(endpoint.p50_ms)),
    number("P95", Some(Sort::P95), 7, 60, |endpoint| stat::latency(endpoint.p95_ms)),
    number("P99", Some(Sort::P99), 7, 100, |endpoint| stat::latency(endpoint.p99_ms)),
    number("5XX", None, 6, 90, stat::failures),
    number("4XX", None, 6, 140, |endpoint| Cell::new(number::count(endpoint.class(4)))),
    words("STATE", Constraint::Length(11), 70, stat::state),
];

const fn words(title: &'static str, width: Constraint, screen_min: u16, cell: fn(&Endpoint) -> Cell) -> ListColumn {
    ListColumn { title, sort: None, width, alignment: Alignment::Left, screen_min, cell }
}

const fn number(title: &'static str, sort: Option<Sort>, width: u16, screen_min: u16, cell: fn(&Endpoint) -> Cell) -> ListColumn {
    ListColumn { title, sort, width: Constraint::Length(width), alignment: Alignment::Right, screen_min, cell }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, paint: ColorMode) {
    let shown = model.shown();
    if shown.is_empty() {
        frame.render_widget(Paragraph::new(nothing(model)), area);
        return;
    }
    let columns: Vec<_> = COLUMNS.iter().filter(|column| area.width >= column.screen_min).collect();
    let arrow = if model.is_reversed { "↑" } else { "↓" };
    let head = Row::new(columns.iter().map(|column| {
        let is_sorted = column.sort == Some(model.sort);
        let title = if is_sorted { format!("{}{arrow}", column.title) } else { column.title.to_owned() };
        Text::from(Line::raw(title).alignment(column.alignment))
    }));
    // Only the visible lines are built: a list may have thousands.
    let selected = model.selected_line().unwrap_or(0);
    let height = area.height.saturating_sub(1) as usize;
    let first = (selected + 1).saturating_sub(height.max(1));
    let rows = shown.iter().skip(first).take(height.max(1)).map(|endpoint| {
        Row::new(
            columns
                .iter()
                .map(|column| Text::from(Line::from(span(&(column.cell)(endpoint), paint)).alignment(column.alignment))),
        )
    });
    let table = Table::new(rows, columns.iter().map(|column| column.width))
        .header(head.style(Style::default().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::default().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(selected - first);
    frame.render_stateful_widget(table, area, &mut state);
}

fn nothing(model: &Model) -> &'static str {
    match (model.has_begun(), model.all().is_empty()) {
        (false, _) if model.lost.is_none() => "asking the control plane…",
        (false, _) => "",
        (true, true) => "no endpoint is known yet: the first request to a pod makes one",
        (true, false) => "no endpoint is called so; Esc shows all",
    }
}
