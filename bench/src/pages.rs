//! The dashboard of a thousand endpoints in a real browser: what it loads, how soon it is seen, and what each tick costs.

pub mod crowd;
pub mod loads;
pub mod paint;
pub mod ticks;
