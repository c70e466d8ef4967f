//! Answers what a reader asks: the mesh at one instant, its pods, its switches, its callers.

pub mod callers;
pub mod long_windows;
pub mod reader;
pub mod snapshot;
