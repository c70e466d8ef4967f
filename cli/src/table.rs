//! Tables as `kubectl` prints them: a head, a line for each thing, no frame; numbers to the right.

use comfy_table::{Attribute, CellAlignment, ContentArrangement, presets};

use crate::paint::Paint;
use crate::text::short;

/// Blanks between two columns.
const GAP: u16 = 2;

/// A column: its title, and what a thing shows in it.
pub(crate) struct Column<T> {
    /// In capitals.
    pub(crate) title: &'static str,
    /// Where its text stands.
    pub(crate) side: Side,
    /// When it is shown.
    pub(crate) detail: Detail,
    /// Its text for a thing, at this instant, milliseconds since the Unix epoch.
    pub(crate) cell: fn(&T, u64) -> Cell,
}

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// How much of a thing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// What fits most terminals.
    Usual,
    /// Everything.
    Wide,
}

/// A text, and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text, which may be a stranger's.
    pub(crate) text: String,
    /// How it is meant.
    pub(crate) tone: Tone,
}

/// How a text is meant. No colour says anything that the text does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it stands.
    Calm,
    /// Need not be read.
    Muted,
    /// Worth a look.
    Amber,
    /// Broken.
    Red,
}

impl Cell {
    /// Calm text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Calm }
    }

    /// The same text, meant otherwise.
    #[must_use]
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl<T> Column<T> {
    /// A column of words.
    pub(crate) const fn words(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { title, side: Side::Left, detail: Detail::Usual, cell }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { title, side: Side::Right, detail: Detail::Usual, cell }
    }
}

/// The same column, for those who want everything.
pub(crate) const fn wide<T>(column: Column<T>) -> Column<T> {
    Column { detail: Detail::Wide, ..column }
}

/// A table of these things, one a line, each line ended; or what to say if there are none.
pub(crate) fn table<T>(columns: &[Column<T>], things: &[T], none: &str, now_ms: u64, detail: Detail, paint: Paint) -> String {
    if things.is_empty() {
        return format!("{none}\n");
    }
    let columns: Vec<_> = columns.iter().filter(|column| column.detail <= detail).collect();
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.style_text_only();
    match paint {
        Paint::Colours => table.enforce_styling(),
        Paint::Plain => table.force_no_tty(),
    };
    table.set_header(columns.iter().map(|column| comfy_table::Cell::new(column.title).add_attribute(Attribute::Bold)));
    for thing in things {
        table.add_row(columns.iter().map(|column| styled((column.cell)(thing, now_ms))));
    }
    for (at, column) in columns.iter().enumerate() {
        let Some(shown) = table.column_mut(at) else { continue };
        shown.set_padding((0, GAP));
        if column.side == Side::Right {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

fn styled(cell: Cell) -> comfy_table::Cell {
    let shown = comfy_table::Cell::new(short(&cell.text));
    match cell.tone {
        Tone::Calm => shown,
        Tone::Muted => shown.add_attribute(Attribute::Dim),
        Tone::Amber => shown.fg(comfy_table::Color::DarkYellow),
        Tone::Red => shown.fg(comfy_table::Color::DarkRed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(&str, u64)>; 3] = [
        Column::words("NAME", |thing, _| Cell::new(thing.0)),
        Column::numbers("COUNT", |thing, _| Cell::new(thing.1.to_string()).toned(Tone::Red)),
        wide(Column::words("MORE", |_, now_ms| Cell::new(format!("at {now_ms}")))),
    ];

    fn shown(detail: Detail, paint: Paint) -> String {
        table(&COLUMNS, &[("one", 1), ("a\x1b[0m", 1000)], "none", 7, detail, paint)
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_where_their_text_ends() {
        assert_eq!(shown(Detail::Usual, Paint::Plain), "NAME        COUNT\none             1\na\\u{1b}[0m   1000\n");
        assert_eq!(shown(Detail::Wide, Paint::Plain).lines().next(), Some("NAME        COUNT  MORE"));
        assert_eq!(table(&COLUMNS, &[], "there is nothing", 7, Detail::Usual, Paint::Plain), "there is nothing\n");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert!(!shown(Detail::Usual, Paint::Plain).contains('\x1b'));
        assert!(shown(Detail::Usual, Paint::Colours).contains('\x1b'));
    }
}
