//! The charts of an endpoint's page: pure functions from counts to attributes of SVG elements.
//!
//! All values are text: the page prints them, and an event stream sends the ones that changed.
//! The page holds the maximum number of elements from the start; unused ones are empty.

pub mod annotations;
pub mod columns;
pub mod distribution;
pub mod heatmap;
pub mod line;
pub mod log_axis;
pub mod long;
pub mod pod_starts;
pub mod stacked;
pub mod threshold_crossings;
pub mod ticks;

/// Left edge of the plots; axis labels are left of it.
pub const LEFT: f64 = 48.0;

/// Right edge of the plots; line labels are right of it.
pub const RIGHT: f64 = 786.0;
