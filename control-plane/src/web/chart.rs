//! The charts of an endpoint's page: pure functions from counts to the attributes of SVG elements.
//!
//! What is drawn is text all through, so that a page prints it and a stream of events sends what has changed of it.
//! The elements are there from the start, as many as there can be; those that are not needed are empty.

pub mod columns;
pub mod heatmap;
pub mod limits;
pub mod line;
pub mod long;
pub mod marks;
pub mod octaves;
pub mod spread;
pub mod stacked;
pub mod ticks;

/// Where the plots begin on the left: the numbers of their axes stand before it.
pub const LEFT: f64 = 48.0;

/// Where they end on the right: the names of their lines stand behind it.
pub const RIGHT: f64 = 786.0;
