//! The page of notices: what is wrong with services now, and what was lately.

/// The path of the page, below the dashboard's root.
pub const PAGE: &str = "notices";
