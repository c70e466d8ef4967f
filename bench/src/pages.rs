//! Measures the dashboard with a thousand endpoints in a real browser: loaded bytes, first paint and cost of each tick.

pub mod crowd;
pub mod loads;
pub mod paint;
pub mod ticks;
