//! What decorators can be configured to do: the same words in a file, in a rule and in the API.

pub mod action;
pub mod circuit_breaker;
mod claim_rules;
pub mod disable;
pub mod error_page;
pub mod fault;
pub mod field_edits;
pub mod file;
pub mod headers;
pub mod invalid;
pub mod jwt;
pub mod login;
pub mod provider_url;
pub mod rate_limit;
pub mod retry;
pub mod selection;
pub mod split;
pub mod status_set;
pub mod time_span;
pub mod timeout;
