//! The key of a pod in the fleet: the claim of a process to the pod's uid.

/// A claim to a pod's uid. Usually there is one at a time, and the processes of a pod follow each
/// other under it. A process that attaches while another one reports under the same uid is a pod of
/// its own: both are counted and shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct UidClaim {
    pub(super) pod_uid: String,
    /// The epoch of the process, if it attached while another one was reporting.
    pub(super) rival: Option<u64>,
}
