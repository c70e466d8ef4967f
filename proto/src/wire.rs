//! The types and the service that were generated from `mesh.proto`; name them only at the ends of the stream.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications, reason = "generated")]

tonic::include_proto!("sitio.mesh.v1");

/// The version of the protocol that this build speaks.
pub const PROTOCOL: u32 = 1;
