//! Draws the dialogs to turn an endpoint off or on, and the list of keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use format::number;

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::Tone;
use crate::top::draw::styles::{middle, style};
use crate::top::model::{Model, TurnOffDialog};

/// The width of a dialog.
const WIDTH: u16 = 76;

const KEYS: [(&str, &str); 11] = [
    ("↑ ↓  j k", "select the endpoint above or below"),
    ("PgUp PgDn", "ten at once; g and G, the first and the last"),
    ("Enter", "its recent requests; Esc goes back"),
    ("x", "turn it off, with a reason, or on again"),
    ("/", "find by method, route or service; Esc shows all"),
    ("s S", "sort by the next column, or the one before"),
    ("r", "sort the other way round"),
    ("1 to 9", "the last 1, 5 or 15 min, 1, 6 or 24 h, 7, 30 or 90 days"),
    ("p", "pause, and go on"),
    ("?", "this list"),
    ("q", "quit"),
];

pub(super) fn turn_off(frame: &mut Frame<'_>, area: Rect, model: &Model, question: &TurnOffDialog, paint: ColorMode) {
    let Some(endpoint) = model.endpoint(&question.id) else { return };
    let text = Text::from(vec![
        Line::raw(format!(
            "Turn {} {} off on {}, {}?",
            short(&endpoint.method),
            short(&endpoint.route),
            number::plural(endpoint.pods.len(), "pod", "pods"),
            question.limit.words()
        )),
        Line::raw(format!("{} req/s now; callers will get 503.", number::rate(endpoint.rps))),
        Line::raw(""),
        Line::from(vec![Span::raw("Reason: "), Span::raw(format!("{}▏", short(&question.reason)))]),
        model.note.as_ref().map_or_else(|| Line::raw(""), |(words, _)| Line::styled(words.clone(), style(Tone::Amber, paint))),
    ]);
    boxed(frame, area, "Turn off", text, 7);
}

pub(super) fn turn_on(frame: &mut Frame<'_>, area: Rect, rule: &str) {
    let text = Text::from(format!("End rule {rule}, and turn its endpoint on again on every pod?"));
    boxed(frame, area, "Turn on", text, 3);
}

pub(super) fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<_> = KEYS.iter().map(|(keys, what)| Line::raw(format!("{keys:<10} {what}"))).collect();
    let height = lines.len() as u16 + 2;
    boxed(frame, area, "Keys", Text::from(lines), height);
}

fn boxed(frame: &mut Frame<'_>, area: Rect, title: &'static str, text: Text<'static>, height: u16) {
    let place = middle(area, WIDTH, height);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(Block::bordered().title(title)), place);
}
