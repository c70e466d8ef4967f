//! How numbers, durations, health and tables are written for people, on pages and in the terminal.

pub mod column;
pub mod csv;
pub mod health;
pub mod label;
pub mod number;
pub mod replica;
pub mod split;
pub mod time;
