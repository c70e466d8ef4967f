//! The protocol between sidecars and the control plane: generated types, and conversions to the types of `mesh`.

pub mod codec;
pub mod convert;
pub mod wire;
