//! Tests of a control plane with real sidecars: counts, rules, history, taps, restarts and metrics.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod access;
mod behind_nginx;
mod callers;
mod clocks;
mod control_plane;
mod counters;
mod counting;
mod decorators;
mod exactly_once;
mod history;
mod openapi;
mod openid;
mod pins;
mod prometheus;
mod restarts;
mod roles;
mod rule_lifetime;
mod rules;
mod stream_tls;
mod tap;
mod time_range;
