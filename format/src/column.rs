//! The columns of tables by name, in the order of the CSV files of the dashboard and of the command line.

/// The columns of one table.
pub trait Column: Copy + PartialEq + 'static {
    /// All columns, in the order of a file.
    const ALL: &'static [Self];

    /// The name in the first line of a file.
    fn name(self) -> &'static str;

    /// All columns but those that a program does not have.
    fn without(missing: &[Self]) -> Vec<Self> {
        Self::ALL.iter().copied().filter(|column| !missing.contains(column)).collect()
    }
}

macro_rules! columns {
    ($(#[$about:meta])* $table:ident: $($column:ident = $name:literal),* $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $table {
            $(#[doc = concat!("The column `", $name, "`.")] $column,)*
        }

        impl Column for $table {
            const ALL: &'static [Self] = &[$(Self::$column),*];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name,)*
                }
            }
        }
    };
}

columns! {
    /// A column of the table of endpoints.
    EndpointColumn:
    Namespace = "namespace",
    Service = "service",
    Method = "method",
    Route = "route",
    Rps = "rps",
    Hits = "hits",
    Avg = "avg_ms",
    P50 = "p50_ms",
    P95 = "p95_ms",
    P99 = "p99_ms",
    Failures = "failures",
    FailingRatio = "failing_ratio",
    ClientErrorRatio = "4xx_ratio",
    BytesIn = "bytes_in",
    BytesOut = "bytes_out",
    Blocked = "blocked",
    LastSeen = "last_seen",
    Pods = "pods",
    Window = "window_s",
    State = "state",
    Rule = "rule",
    Id = "id",
    TakenAt = "taken_at",
}

columns! {
    /// A column of the table of pods.
    PodColumn:
    Pod = "pod",
    Namespace = "namespace",
    Service = "service",
    Node = "node",
    State = "state",
    Version = "version",
    Memory = "memory_bytes",
    MemoryLimit = "memory_limit_bytes",
    Cpu = "cpu_milli",
    CpuLimit = "cpu_limit_milli",
    Rps = "rps",
    ConnectedAt = "connected_at",
    HeardAt = "heard_at",
    Revision = "revision",
    Took = "took_ms",
    RevisionWanted = "revision_wanted",
    Connections = "connections",
    Uid = "uid",
    TakenAt = "taken_at",
    ClockOffset = "clock_offset_ms",
    ClockError = "clock_error_ms",
}

columns! {
    /// A column of the list of notices.
    NoticeColumn:
    Id = "id",
    State = "state",
    Condition = "condition",
    Namespace = "namespace",
    Service = "service",
    Since = "since",
    ResolvedAt = "resolved_at",
    Times = "times",
    Pods = "pods",
    PodsTotal = "pods_total",
    Detail = "detail",
}

columns! {
    /// A column of the audit log.
    AuditColumn:
    Number = "number",
    At = "at",
    By = "by",
    Address = "address",
    Event = "event",
    Namespace = "namespace",
    Service = "service",
    Method = "method",
    Route = "route",
    Pods = "pods",
    Status = "status",
    Reason = "reason",
    Note = "note",
    ExpiresAt = "expires_at",
    EndedAt = "ended_at",
    Applied = "applied",
    Of = "of",
    Slowest = "slowest_ms",
    Rule = "rule",
    Revision = "revision",
}

columns! {
    /// A column of the recent requests of an endpoint.
    RequestColumn:
    Started = "started",
    Status = "status",
    Method = "method",
    Path = "path",
    Took = "took_ms",
    FirstByte = "first_byte_ms",
    BytesIn = "bytes_in",
    BytesOut = "bytes_out",
    Caller = "caller",
    Pod = "pod",
    Trace = "trace",
    Rule = "rule",
    Outcome = "outcome",
}
