//! How many sidecars there are, and of what.

/// The size of the mesh.
#[derive(Debug, Clone, Copy)]
pub struct SwarmSize {
    /// Sidecars.
    pub sidecars: usize,
    /// Services, with the same number of sidecars each.
    pub services: usize,
    /// Endpoints of each service.
    pub endpoints: usize,
}
