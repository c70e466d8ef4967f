//! What the pods have counted: in memory by fleet and timeline, on its way to the disk by the window writer.

pub mod fleet;
pub mod memory;
pub mod packed_metrics;
pub mod timeline;
pub mod window_writer;
