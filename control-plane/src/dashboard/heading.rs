//! A heading row above table rows that share a day, a service or a node.

use serde::Serialize;

/// The live values of a heading row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HeadingCells {
    /// The template that the script makes the row from.
    pub kind: &'static str,
    /// Element id.
    pub id: String,
    /// What the rows below have in common.
    pub title: String,
}

impl HeadingCells {
    /// A heading; its id must be unique on the page.
    pub fn new(id: String, title: String) -> Self {
        Self { kind: "heading", id, title }
    }

    /// An empty heading that the script clones.
    pub fn blank() -> Self {
        Self::new(String::new(), String::new())
    }
}
