//! Cuts a table to the width of a terminal: less important columns are left out, long words are shortened.

use comfy_table::{ColumnConstraint, ContentArrangement, Width};

use crate::table::{Column, Side, Weight};

/// Blanks between two columns.
pub(super) const GAP: u16 = 2;

/// Letters that a column of words keeps, if it has so many: enough to recognize a route or a pod by.
const WORDS_MIN: u16 = 12;

/// Lets a table, which has all its rows, take no more than so many letters a line.
pub(super) fn fit<T>(table: &mut comfy_table::Table, columns: &[&Column<T>], width: u16) {
    let natural = table.column_max_content_widths();
    let least: Vec<u16> = columns.iter().zip(&natural).map(|(column, natural)| least(column, *natural)).collect();
    let shown = shown(columns, &least, width);
    let widths = widths(natural, &least, &shown, width);
    for (at, width) in widths.into_iter().enumerate() {
        let is_shown = shown.contains(&at);
        let constraint = if is_shown { ColumnConstraint::Absolute(Width::Fixed(width + GAP)) } else { ColumnConstraint::Hidden };
        if let Some(column) = table.column_mut(at) {
            column.set_constraint(constraint);
        }
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.row_iter_mut().for_each(|row| {
        row.max_height(1);
    });
}

/// What a column takes at least: a number or a time is useless if it is cut.
fn least<T>(column: &Column<T>, natural: u16) -> u16 {
    match column.side {
        Side::Right | Side::Whole => natural,
        Side::Left => natural.min(WORDS_MIN.max(column.title.len() as u16)),
    }
}

/// The columns that fit: the lightest are left out first, of several the last.
fn shown<T>(columns: &[&Column<T>], least: &[u16], width: u16) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    while taken(&shown, least) > usize::from(width) {
        let others = shown.iter().copied().filter(|at| columns[*at].weight != Weight::Kept).rev();
        let Some(lightest) = others.min_by_key(|at| columns[*at].weight) else { break };
        shown.retain(|at| *at != lightest);
    }
    shown
}

/// How wide each column is, when the longest are shortened until all fit.
fn widths(natural: Vec<u16>, least: &[u16], shown: &[usize], width: u16) -> Vec<u16> {
    let mut widths = natural;
    while taken(shown, &widths) > usize::from(width) {
        let longer = shown.iter().copied().filter(|at| widths[*at] > least[*at]);
        let Some(longest) = longer.max_by_key(|at| widths[*at]) else { break };
        widths[longest] -= 1;
    }
    widths
}

/// What these columns take of a line. The blanks behind the last one are not printed.
fn taken(shown: &[usize], widths: &[u16]) -> usize {
    let words: usize = shown.iter().map(|at| usize::from(widths[*at])).sum();
    words + usize::from(GAP) * shown.len().saturating_sub(1)
}
