//! Identifies a row of a worker's table by its index.

/// The index of a row. An exchange keeps that of the row which counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowIndex(pub(crate) u16);

/// The row of everything that has no row of its own, or none yet.
pub(crate) const OTHER: RowIndex = RowIndex(0);

impl RowIndex {
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }
}
