//! The wire between sidecars and the control plane: generated types, and the one door to the vocabulary.

pub mod codec;
pub mod convert;
pub mod wire;
