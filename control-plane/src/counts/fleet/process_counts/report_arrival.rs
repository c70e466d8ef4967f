//! When a report arrived, and how old the process is that sent it.

/// When a report arrived, and how old its process was.
#[derive(Debug, Clone, Copy)]
pub struct ReportArrival {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// How long the process had run when it made the report, in milliseconds.
    pub age_ms: u64,
    /// The same by its own clock or by ours, whichever is more: a clock that was set back makes no
    /// process younger.
    pub life_ms: u64,
}
