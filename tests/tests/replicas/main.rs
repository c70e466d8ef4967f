//! Tests of several control planes on real NATS servers: kills, elections, copies, and what they refuse.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod exactly_once;
mod leader;
mod logs;
mod nats_access;
mod outage;
mod power_loss;
mod refusals;
mod sign_in;
