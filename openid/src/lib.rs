//! OpenID Connect for the control plane and the sidecar: providers, their keys, and the verification of tokens.

pub mod claims;
pub mod code_flow;
pub mod fetched;
pub mod jwt_crypto;
pub mod key_set;
pub mod provider;
