//! The types and the service generated from `mesh.proto`; use them only where a stream is read or written.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications, reason = "generated")]

tonic::include_proto!("sitio.mesh.v1");

/// The protocol version of this build.
pub const PROTOCOL: u32 = 1;
