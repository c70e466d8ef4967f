//! Fits a table to the terminal's width: leaves out less important columns and shortens long texts.

use comfy_table::{ColumnConstraint, ContentArrangement, Width};

use crate::table::column::{Column, Side, Weight};

/// The number of spaces between two columns.
pub(super) const GAP: u16 = 2;

/// The number of characters to which a text column may be cut: enough to recognize a route or a pod.
const WORDS_MIN: u16 = 12;

/// Limits the lines of a complete table to `width` characters.
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

/// The minimum width of a column: a number or a time is useless if it is cut.
fn least<T>(column: &Column<T>, natural: u16) -> u16 {
    match column.side {
        Side::Right | Side::Whole => natural,
        Side::Left => natural.min(WORDS_MIN.max(column.title.len() as u16)),
    }
}

/// The columns that fit. Columns with the lowest weight are left out first, and of equal ones the last.
fn shown<T>(columns: &[&Column<T>], least: &[u16], width: u16) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    while taken(&shown, least) > usize::from(width) {
        let others = shown.iter().copied().filter(|at| columns[*at].weight != Weight::Kept).rev();
        let Some(lightest) = others.min_by_key(|at| columns[*at].weight) else { break };
        shown.retain(|at| *at != lightest);
    }
    shown
}

/// The width of each column, after the widest are shortened until all fit.
fn widths(natural: Vec<u16>, least: &[u16], shown: &[usize], width: u16) -> Vec<u16> {
    let mut widths = natural;
    while taken(shown, &widths) > usize::from(width) {
        let longer = shown.iter().copied().filter(|at| widths[*at] > least[*at]);
        let Some(longest) = longer.max_by_key(|at| widths[*at]) else { break };
        widths[longest] -= 1;
    }
    widths
}

/// The width of a line with these columns. The spaces after the last one are not printed.
fn taken(shown: &[usize], widths: &[u16]) -> usize {
    let words: usize = shown.iter().map(|at| usize::from(widths[*at])).sum();
    words + usize::from(GAP) * shown.len().saturating_sub(1)
}
