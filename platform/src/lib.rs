//! What both programs need from the machine they run on: bounded listeners, files of settings, and the limits of the container.

pub mod cgroup;
pub mod config_file;
pub mod connection_slots;
pub mod http;
pub mod log;
pub mod port_connections;
