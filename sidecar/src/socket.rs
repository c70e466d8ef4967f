//! Sockets of either kind, buffered, with deadlines.

pub mod buffered_conn;
pub mod deadlines;
pub mod descriptors;
pub mod stream;
pub(crate) mod write_buffer;
