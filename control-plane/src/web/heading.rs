//! A row that stands above others and says what they have in common: a day, a service, a node.

use serde::Serialize;

/// What such a row shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HeadingCells {
    /// From which template a script makes it.
    pub kind: &'static str,
    /// The row's id in the page.
    pub id: String,
    /// What the rows below it have in common.
    pub title: String,
}

impl HeadingCells {
    /// A heading with an id that nothing else on the page has.
    pub fn new(id: String, title: String) -> Self {
        Self { kind: "heading", id, title }
    }

    /// A heading that says nothing, to be cloned.
    pub fn blank() -> Self {
        Self::new(String::new(), String::new())
    }
}
