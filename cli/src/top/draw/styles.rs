//! How a cell and a box are drawn.

use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::{Cell, Tone};

/// The style of a tone. Without colours, bold text marks warnings and errors.
pub(crate) fn style(tone: Tone, paint: ColorMode) -> Style {
    let plain = Style::default();
    match (tone, paint) {
        (Tone::Calm, _) => plain,
        (Tone::Muted, _) => plain.add_modifier(Modifier::DIM),
        (Tone::Amber, ColorMode::Colours) => plain.fg(Color::Yellow),
        (Tone::Red, ColorMode::Colours) => plain.fg(Color::Red),
        (Tone::Amber | Tone::Red, ColorMode::Plain) => plain.add_modifier(Modifier::BOLD),
    }
}

/// Untrusted text, escaped, in the style of its tone.
pub(crate) fn span(cell: &Cell, paint: ColorMode) -> Span<'static> {
    Span::styled(short(&cell.text).into_owned(), style(cell.tone, paint))
}

/// A centred rectangle of this size, or as much of it as fits.
pub(crate) fn middle(area: Rect, width: u16, height: u16) -> Rect {
    area.centered(Constraint::Length(width.min(area.width)), Constraint::Length(height.min(area.height)))
}
