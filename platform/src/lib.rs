//! What both programs need from the machine they run on: bounded listeners, and the limits of the container.

pub mod cgroup;
pub mod connection_slots;
pub mod http;
pub mod log;
