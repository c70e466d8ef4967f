//! Tables as `kubectl` prints them: a head, a line for each thing, no frame; numbers to the right; no wider than a terminal.

mod fit;

use std::io::stdout;

use comfy_table::{Attribute, CellAlignment, ContentArrangement, presets};
use rustix::termios::tcgetwinsize;

use crate::paint::Paint;
use crate::table::fit::{GAP, fit};
use crate::text::short;

/// A column: its title, and what a thing shows in it.
pub(crate) struct Column<T> {
    /// In capitals.
    pub(crate) title: &'static str,
    /// Where its text stands.
    pub(crate) side: Side,
    /// When it is shown.
    pub(crate) detail: Detail,
    /// How soon it is left out where there is no room for it.
    pub(crate) weight: Weight,
    /// Its text for a thing, at this instant, milliseconds since the Unix epoch.
    pub(crate) cell: fn(&T, u64) -> Cell,
}

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Words that say nothing if they are cut, such as a time.
    Whole,
    /// Numbers.
    Right,
}

/// How soon a column is left out on a narrow terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Among the first.
    Light,
    /// After those.
    Usual,
    /// Never: without it a line says nothing.
    Kept,
}

/// The room that a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// How much of a thing is shown.
    detail: Detail,
    /// How long a line may be; `None` if it may have any length.
    width: Option<u16>,
}

impl Room {
    /// What is shown of a thing usually, on as much of a line as the terminal has. What goes into a pipe is never cut.
    pub(crate) fn usual() -> Self {
        // A terminal that does not know its width says 0.
        let width = tcgetwinsize(stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0);
        Self { detail: Detail::Usual, width }
    }

    /// Everything, whole.
    pub(crate) fn wide() -> Self {
        Self { detail: Detail::Wide, width: None }
    }
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
        Self { title, side: Side::Left, detail: Detail::Usual, weight: Weight::Usual, cell }
    }

    /// A column of words that are never cut.
    pub(crate) const fn whole(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { side: Side::Whole, ..Self::words(title, cell) }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { title, side: Side::Right, detail: Detail::Usual, weight: Weight::Usual, cell }
    }
}

/// The same column, for those who want everything.
pub(crate) const fn wide<T>(column: Column<T>) -> Column<T> {
    Column { detail: Detail::Wide, ..column }
}

/// The same column, which a line keeps on any terminal.
pub(crate) const fn kept<T>(column: Column<T>) -> Column<T> {
    Column { weight: Weight::Kept, ..column }
}

/// The same column, which is left out first where there is no room.
pub(crate) const fn light<T>(column: Column<T>) -> Column<T> {
    Column { weight: Weight::Light, ..column }
}

/// A table of these things, one a line, each line ended; or what to say if there are none.
pub(crate) fn table<T>(columns: &[Column<T>], things: &[T], none: &str, now_ms: u64, room: Room, paint: Paint) -> String {
    if things.is_empty() {
        return format!("{none}\n");
    }
    let columns: Vec<_> = columns.iter().filter(|column| column.detail <= room.detail).collect();
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
    if let Some(width) = room.width {
        fit(&mut table, &columns, width);
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

    const USUAL: Room = Room { detail: Detail::Usual, width: None };

    fn shown(room: Room, paint: Paint) -> String {
        table(&COLUMNS, &[("one", 1), ("a\x1b[0m", 1000)], "none", 7, room, paint)
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_where_their_text_ends() {
        assert_eq!(shown(USUAL, Paint::Plain), "NAME        COUNT\none             1\na\\u{1b}[0m   1000\n");
        assert_eq!(shown(Room::wide(), Paint::Plain).lines().next(), Some("NAME        COUNT  MORE"));
        assert_eq!(table(&COLUMNS, &[], "there is nothing", 7, USUAL, Paint::Plain), "there is nothing\n");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert!(!shown(USUAL, Paint::Plain).contains('\x1b'));
        assert!(shown(USUAL, Paint::Colours).contains('\x1b'));
    }

    #[test]
    fn a_table_is_no_wider_than_its_terminal_and_keeps_what_matters() {
        const NARROW: [Column<(&str, u64)>; 4] = [
            kept(Column::words("ROUTE", |thing, _| Cell::new(thing.0))),
            light(Column::numbers("HITS", |thing, _| Cell::new(thing.1.to_string()))),
            Column::numbers("P95", |thing, _| Cell::new(thing.1.to_string())),
            kept(Column::words("STATE", |_, _| Cell::new("on"))),
        ];
        let things = [("/a/route/of/thirty/letters/äöüß", 1000), ("/b", 7)];
        let shown = |width| {
            let room = Room { detail: Detail::Usual, width };
            table(&NARROW, &things, "none", 0, room, Paint::Plain)
        };
        let whole = "ROUTE                            HITS   P95  STATE\n\
            /a/route/of/thirty/letters/äöüß  1000  1000  on\n\
            /b                                  7     7  on\n";
        assert_eq!(shown(None), whole);
        assert_eq!(shown(Some(80)), whole, "what fits is whole");
        let short = "ROUTE                  HITS   P95  STATE\n\
            /a/route/of/thirty/l…  1000  1000  on\n\
            /b                        7     7  on\n";
        assert_eq!(shown(Some(40)), short, "the longest words are shortened first");
        for width in 1..=60_u16 {
            let lines = shown(Some(width));
            let fits = lines.lines().all(|line| line.chars().count() <= usize::from(width).max(21));
            assert!(fits && lines.contains("ROUTE") && lines.contains("STATE"), "{width}:\n{lines}");
            assert!(lines.contains("P95") || !lines.contains("HITS"), "{width}: the lightest column is left out first");
        }
        assert!(!shown(Some(30)).contains("HITS") && shown(Some(30)).contains("P95"));
    }
}
