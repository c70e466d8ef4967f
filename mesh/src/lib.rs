//! The data model of Sitio: plain values and their arithmetic, without I/O and without a clock.

pub mod callers;
pub mod comparison;
pub mod endpoint;
pub mod exchange;
pub mod golden;
pub mod histogram;
pub mod refusal;
pub mod report;
pub mod routes;
pub mod rule;
pub mod rule_totals;
pub mod stable_hash;
pub mod statuses;
pub mod tap;
pub mod token;
pub mod trace;
pub mod visible;
pub mod window;
pub mod workload;
