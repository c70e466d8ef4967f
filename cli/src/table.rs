//! Tables in the style of `kubectl`: a header, one line each, no frame, numbers right-aligned, cut to the terminal.

pub(crate) mod column;
mod fit;

use std::io::stdout;

use comfy_table::{Attribute, CellAlignment, ContentArrangement, presets};
use rustix::termios::tcgetwinsize;

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::{Cell, Column, Detail, Side, Tone};
use crate::table::fit::{GAP, fit};

/// The space that a table may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableWidth {
    /// How many columns are shown.
    detail: Detail,
    /// The width of a line; `None` for no limit.
    width: Option<u16>,
}

impl TableWidth {
    /// The usual columns, cut to the terminal's width. Output to a pipe is never cut.
    pub(crate) fn usual() -> Self {
        // A terminal of unknown width reports 0.
        let width = tcgetwinsize(stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0);
        Self { detail: Detail::Usual, width }
    }

    /// All columns, never cut.
    pub(crate) fn wide() -> Self {
        Self { detail: Detail::Wide, width: None }
    }
}

/// Formats a table with one line for each thing, or `none` if there are no things.
pub(crate) fn table<T>(
    columns: &[Column<T>],
    things: &[T],
    none: &str,
    now_ms: u64,
    room: TableWidth,
    paint: ColorMode,
) -> String {
    if things.is_empty() {
        return format!("{none}\n");
    }
    let columns: Vec<_> = columns.iter().filter(|column| column.detail <= room.detail).collect();
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.style_text_only();
    match paint {
        ColorMode::Colours => table.enforce_styling(),
        ColorMode::Plain => table.force_no_tty(),
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
    use crate::table::column::{kept, light, wide};

    const COLUMNS: [Column<(&str, u64)>; 3] = [
        Column::words("NAME", |thing, _| Cell::new(thing.0)),
        Column::numbers("COUNT", |thing, _| Cell::new(thing.1.to_string()).toned(Tone::Red)),
        wide(Column::words("MORE", |_, now_ms| Cell::new(format!("at {now_ms}")))),
    ];

    const USUAL: TableWidth = TableWidth { detail: Detail::Usual, width: None };

    fn shown(room: TableWidth, paint: ColorMode) -> String {
        table(&COLUMNS, &[("one", 1), ("a\x1b[0m", 1000)], "none", 7, room, paint)
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_where_their_text_ends() {
        assert_eq!(shown(USUAL, ColorMode::Plain), "NAME        COUNT\none             1\na\\u{1b}[0m   1000\n");
        assert_eq!(shown(TableWidth::wide(), ColorMode::Plain).lines().next(), Some("NAME        COUNT  MORE"));
        assert_eq!(table(&COLUMNS, &[], "there is nothing", 7, USUAL, ColorMode::Plain), "there is nothing\n");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert!(!shown(USUAL, ColorMode::Plain).contains('\x1b'));
        assert!(shown(USUAL, ColorMode::Colours).contains('\x1b'));
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
            let room = TableWidth { detail: Detail::Usual, width };
            table(&NARROW, &things, "none", 0, room, ColorMode::Plain)
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
