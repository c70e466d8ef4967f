//! Selects the data source for a pod's resource use: its control group, its service's processes, or none.

use std::path::Path;

use platform::cgroup::parse::cgroup_path;
use platform::cgroup::{CGROUPS, CpuTime, Memory, Source, machine_bytes, text};

use crate::resources::service::ServiceProcesses;

/// The control groups of login sessions (systemd.special(7)).
const SESSIONS: &str = "user.slice";

/// The most processes of a group that are searched for other sidecars.
const GROUP_PROCESSES_MAX: usize = 4096;

/// The source of a pod's CPU and memory values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Accounts {
    /// A control group, or this process.
    Kernel(Source),
    /// The processes of the service, without limits. Used when the pod has no control group of its own.
    Service(ServiceProcesses),
    /// No source is known.
    Nothing,
}

impl Accounts {
    /// Finds the source for a sidecar. `service` is the local port of its service, if it has one.
    pub(super) fn found(service: Option<u16>) -> Self {
        Self::found_in(Path::new(CGROUPS), Path::new("/proc"), service)
    }

    /// Finds the source in these folders of control groups and of the process table.
    ///
    /// A control group is the pod's own only if it contains nothing else. On a machine without containers,
    /// many pods share the group of a session or of the whole machine. Each of them would report the total.
    pub(super) fn found_in(root: &Path, proc: &Path, service: Option<u16>) -> Self {
        let membership = text(&proc.join("self/cgroup"));
        let source = Source::found_below(root, &membership);
        if is_own(&source, &membership, proc) {
            return Self::Kernel(source);
        }
        service.map_or(Self::Nothing, |port| Self::Service(ServiceProcesses::behind(proc, port)))
    }

    /// Memory use; 0 if it is unknown.
    pub(super) fn memory(&self) -> Memory {
        let without_limit = |used| Memory { used, limit: 0, machine: machine_bytes() };
        match self {
            Self::Kernel(source) => source.memory(),
            Self::Service(service) => without_limit(service.memory_bytes()),
            Self::Nothing => without_limit(0),
        }
    }

    /// CPU time used so far.
    pub(super) fn cpu_time(&self) -> CpuTime {
        match self {
            Self::Kernel(source) => source.cpu_time(),
            Self::Service(service) => service.cpu_time(),
            Self::Nothing => CpuTime::default(),
        }
    }

    /// Processes that the kernel has killed for lack of memory; `None` if it does not count them for this pod alone.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        match self {
            Self::Kernel(source) => source.oom_kills(),
            Self::Service(_) | Self::Nothing => None,
        }
    }

    /// The CPU limit in thousandths of a core; 0 if there is none.
    pub(super) fn cpu_limit_milli(&self) -> u32 {
        match self {
            Self::Kernel(source) => source.cpu_limit_milli(),
            Self::Service(_) | Self::Nothing => 0,
        }
    }
}

/// Whether the source is the control group of this pod alone, as far as the sidecar can see.
fn is_own(source: &Source, membership: &str, proc: &Path) -> bool {
    let (folder, controller) = match source {
        Source::V2(folder) => (folder, ""),
        Source::V1 { memory, .. } => (memory, "memory"),
        // There is no control group.
        Source::Process => return false,
    };
    let path = cgroup_path(membership, controller).unwrap_or_default();
    // Kernel threads are visible only outside a container. The root group is then the group of the whole machine.
    let is_machine = path.is_empty() && text(&proc.join("2/comm")).trim() == "kthreadd";
    let is_session = path.split('/').next() == Some(SESSIONS);
    !is_machine && !is_session && sidecars_in(folder, proc) <= 1
}

/// Counts the sidecars in a control group, including this one.
fn sidecars_in(folder: &Path, proc: &Path) -> usize {
    let own = text(&proc.join("self/comm"));
    let pids = text(&folder.join("cgroup.procs"));
    pids.lines().take(GROUP_PROCESSES_MAX).filter(|pid| text(&proc.join(pid).join("comm")) == own).count()
}
