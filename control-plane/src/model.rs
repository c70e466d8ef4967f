//! The nouns that several parts share: values without a clock or a way to the outside.

pub mod audit;
pub mod durability;
pub mod limits;
pub mod notice;
pub mod pod;
pub mod principal;
pub mod recovery_progress;
pub mod replicas;
pub mod reporter;
pub mod rule_record;
pub mod rule_status;
pub mod rules_state;
pub mod slot_outcomes;
pub mod stream_counts;
pub mod switch;
pub mod traffic;
pub mod window;
