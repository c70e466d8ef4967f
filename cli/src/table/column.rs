//! The columns and cells of a table.

/// A column: its title, and how to format a row's cell.
pub(crate) struct Column<T> {
    /// The title, in capitals.
    pub(crate) title: &'static str,
    /// The alignment, and whether the text may be cut.
    pub(crate) side: Side,
    /// Whether the column is in every table or only in the wide one.
    pub(crate) detail: Detail,
    /// The priority when the terminal is too narrow.
    pub(crate) weight: Weight,
    /// The cell of a row at this instant, in milliseconds since the Unix epoch.
    pub(crate) cell: fn(&T, u64) -> Cell,
}

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Left, for text.
    Left,
    /// Left, for text that is useless if cut, such as a time.
    Whole,
    /// Right, for numbers.
    Right,
}

/// The priority of a column on a narrow terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Left out first.
    Light,
    /// Left out after the light ones.
    Usual,
    /// Never left out: without it a line has no meaning.
    Kept,
}

impl<T> Column<T> {
    /// A column of text.
    pub(crate) const fn words(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { title, side: Side::Left, detail: Detail::Usual, weight: Weight::Usual, cell }
    }

    /// A column of text that is never cut.
    pub(crate) const fn whole(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { side: Side::Whole, ..Self::words(title, cell) }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(title: &'static str, cell: fn(&T, u64) -> Cell) -> Self {
        Self { title, side: Side::Right, detail: Detail::Usual, weight: Weight::Usual, cell }
    }
}

/// The same column, shown only in a wide table.
pub(crate) const fn wide<T>(column: Column<T>) -> Column<T> {
    Column { detail: Detail::Wide, ..column }
}

/// The same column, never left out.
pub(crate) const fn kept<T>(column: Column<T>) -> Column<T> {
    Column { weight: Weight::Kept, ..column }
}

/// The same column, left out first on a narrow terminal.
pub(crate) const fn light<T>(column: Column<T>) -> Column<T> {
    Column { weight: Weight::Light, ..column }
}

/// How many columns are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// The columns that fit most terminals.
    Usual,
    /// All columns.
    Wide,
}

/// The text of a cell, and its tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text; it may be untrusted.
    pub(crate) text: String,
    /// The tone.
    pub(crate) tone: Tone,
}

/// The meaning of a text. No colour adds information that is not in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Normal.
    Calm,
    /// Unimportant.
    Muted,
    /// A warning.
    Amber,
    /// An error.
    Red,
}

impl Cell {
    /// A cell with tone [`Tone::Calm`].
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Calm }
    }

    /// The same text with another tone.
    #[must_use]
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}
