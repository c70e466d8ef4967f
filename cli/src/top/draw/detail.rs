//! Draws one endpoint: its metrics, and recent requests from its pods' history.

use api::endpoints::Endpoint;
use api::history::{Exchange, History};
use format::label::service_label;
use format::{number, time};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Row, Table};

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::Cell;
use crate::top::draw::styles::span;
use crate::top::model::{EndpointDetail, Model};
use crate::{history, moment, stat};

/// The lines of the metrics, with a blank one below.
const NUMBERS: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, detail: &EndpointDetail, paint: ColorMode) {
    let Some(endpoint) = model.endpoint(&detail.id) else {
        frame.render_widget(Paragraph::new("the endpoint is gone; Esc goes back"), area);
        return;
    };
    let [top, bottom] = Layout::vertical([Constraint::Length(NUMBERS), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(numbers(endpoint, model.taken_ms(), paint)), top);
    match &detail.history {
        None => frame.render_widget(Paragraph::new("asking its pods…"), bottom),
        Some(Err(why)) => frame.render_widget(Paragraph::new(why.as_str()), bottom),
        Some(Ok(history)) => frame.render_widget(exchanges(history, bottom, paint), bottom),
    }
}

fn numbers(endpoint: &Endpoint, now_ms: u64, paint: ColorMode) -> Text<'static> {
    let bold = Style::default().add_modifier(Modifier::BOLD);
    let service = service_label(&endpoint.namespace, &endpoint.service);
    let name = format!("{} {}", short(&endpoint.method), short(&endpoint.route));
    let pair = |title: &'static str, cell: Cell| {
        [Span::styled(format!("{title} "), style_of_titles()), span(&cell, paint), Span::raw("   ")]
    };
    let line = |pairs: Vec<(&'static str, Cell)>| {
        Line::from(pairs.into_iter().flat_map(|(title, cell)| pair(title, cell)).collect::<Vec<_>>())
    };
    let count = |number: u64| Cell::new(number::count(number));
    let rule = endpoint.rule.as_ref().map_or_else(String::new, |rule| format!(" by {rule}"));
    let state = stat::state(endpoint);
    Text::from(vec![
        Line::from(vec![Span::styled(name, bold), Span::raw(format!(" of {}", short(&service)))]),
        line(vec![
            ("state", Cell { text: format!("{}{rule}", state.text), ..state }),
            ("pods", count(endpoint.pods.len() as u64)),
            ("req/s", Cell::new(number::rate(endpoint.rps))),
            ("requests", count(endpoint.hits)),
            ("success", stat::success(endpoint)),
            ("seen", Cell::new(moment::ago(endpoint.last_seen.as_deref(), now_ms))),
        ]),
        line(vec![
            ("p50", stat::latency(endpoint.p50_ms)),
            ("p95", stat::latency(endpoint.p95_ms)),
            ("p99", stat::latency(endpoint.p99_ms)),
            ("max", stat::latency(endpoint.max_ms)),
            ("first byte", stat::latency(endpoint.first_byte_avg_ms)),
        ]),
        line(vec![
            ("5xx", stat::failures(endpoint)),
            ("4xx", count(endpoint.class(4))),
            ("left by clients", count(endpoint.client_gone)),
            ("answered by a rule", count(endpoint.by_rule)),
            ("under way", count(endpoint.in_flight)),
        ]),
    ])
}

fn style_of_titles() -> Style {
    Style::default().add_modifier(Modifier::DIM)
}

/// Title, width, alignment, and text.
type Column = (&'static str, Constraint, Alignment, fn(&Exchange) -> Cell);

fn exchanges(history: &History, area: Rect, paint: ColorMode) -> Table<'static> {
    let columns: [Column; 6] = [
        ("TIME (UTC)", Constraint::Length(12), Alignment::Left, |exchange| Cell::new(time::clock_ms(exchange.started_ms))),
        ("STATUS", Constraint::Length(6), Alignment::Right, history::status),
        ("TOOK", Constraint::Length(7), Alignment::Right, |exchange| stat::latency(Some(exchange.took_ms))),
        ("PATH", Constraint::Fill(2), Alignment::Left, |exchange| Cell::new(&exchange.path)),
        ("POD", Constraint::Fill(1), Alignment::Left, |exchange| Cell::new(&exchange.pod)),
        ("ENDED BY", Constraint::Length(16), Alignment::Left, history::outcome),
    ];
    let head = Row::new(columns.map(|(title, _, alignment, _)| Text::from(Line::raw(title).alignment(alignment))));
    let rows = history.exchanges.iter().take(area.height as usize).map(|exchange| {
        Row::new(columns.map(|(_, _, alignment, cell)| Text::from(Line::from(span(&cell(exchange), paint)).alignment(alignment))))
    });
    Table::new(rows, columns.map(|(_, width, _, _)| width)).header(head.style(Style::default().add_modifier(Modifier::BOLD)))
}
