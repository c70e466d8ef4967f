//! Which of the kernel's accounts are this pod's: its own control group, else the processes of its service, else none.

use std::path::Path;

use platform::cgroup::parse::cgroup_path;
use platform::cgroup::{CGROUPS, CpuTime, Memory, Source, machine_bytes, text};

use crate::resources::service::Service;

/// Where the groups of login sessions are (systemd.special(7)).
const SESSIONS: &str = "user.slice";

/// Processes of a group that are looked at, to find another sidecar among them.
const GROUP_PROCESSES_MAX: usize = 4096;

/// The accounts by which a pod is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Accounts {
    /// Those of a control group, or of this process.
    Kernel(Source),
    /// No control group is the pod's own: the processes of its service, without limits.
    Service(Service),
    /// Neither is known.
    Nothing,
}

impl Accounts {
    /// The accounts of a sidecar whose service listens on this port of the machine, if it does.
    pub(super) fn found(service: Option<u16>) -> Self {
        Self::found_in(Path::new(CGROUPS), Path::new("/proc"), service)
    }

    /// The same by the control groups and the process table in these folders.
    ///
    /// A control group is the pod's only if nothing else is in it. On a machine without containers, many pods share the group
    /// of a session, or the one of the whole machine, and each would report all of it.
    pub(super) fn found_in(root: &Path, proc: &Path, service: Option<u16>) -> Self {
        let membership = text(&proc.join("self/cgroup"));
        let source = Source::found_below(root, &membership);
        if is_own(&source, &membership, proc) {
            return Self::Kernel(source);
        }
        service.map_or(Self::Nothing, |port| Self::Service(Service::behind(proc, port)))
    }

    /// Memory; nothing in use if that is not known.
    pub(super) fn memory(&self) -> Memory {
        let without_limit = |used| Memory { used, limit: 0, machine: machine_bytes() };
        match self {
            Self::Kernel(source) => source.memory(),
            Self::Service(service) => without_limit(service.memory_bytes()),
            Self::Nothing => without_limit(0),
        }
    }

    /// Processor time so far.
    pub(super) fn cpu_time(&self) -> CpuTime {
        match self {
            Self::Kernel(source) => source.cpu_time(),
            Self::Service(service) => service.cpu_time(),
            Self::Nothing => CpuTime::default(),
        }
    }

    /// Thousandths of a core; 0 if there is no limit.
    pub(super) fn cpu_limit_milli(&self) -> u32 {
        match self {
            Self::Kernel(source) => source.cpu_limit_milli(),
            Self::Service(_) | Self::Nothing => 0,
        }
    }
}

/// Whether what was found is the control group of this pod alone, as far as can be seen.
fn is_own(source: &Source, membership: &str, proc: &Path) -> bool {
    let (folder, controller) = match source {
        Source::V2(folder) => (folder, ""),
        Source::V1 { memory, .. } => (memory, "memory"),
        // No control group at all.
        Source::Process => return false,
    };
    let path = cgroup_path(membership, controller).unwrap_or_default();
    // Processes of the kernel are seen where no container is: the group at the root is then that of the whole machine.
    let is_machine = path.is_empty() && text(&proc.join("2/comm")).trim() == "kthreadd";
    let is_session = path.split('/').next() == Some(SESSIONS);
    !is_machine && !is_session && sidecars_in(folder, proc) <= 1
}

/// How many sidecars are in a control group, this one included.
fn sidecars_in(folder: &Path, proc: &Path) -> usize {
    let own = text(&proc.join("self/comm"));
    let pids = text(&folder.join("cgroup.procs"));
    pids.lines().take(GROUP_PROCESSES_MAX).filter(|pid| text(&proc.join(pid).join("comm")) == own).count()
}
