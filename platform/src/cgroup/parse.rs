//! Parses numbers from kernel files; a missing value is 0, so that measuring never fails.

/// Milliseconds per tick of `/proc`: Linux reports 100 ticks a second there, whatever its internal
/// rate is (proc(5)).
const TICK_MS: u64 = 10;

/// Parses the whole text as a number; `max`, which means no limit, is 0.
pub fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// Parses the number after `name` on a line of its own: `inactive_file 4096`.
pub(super) fn field(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.split_once(' ').filter(|(first, _)| *first == name).map(|(_, value)| number(value));
    text.lines().find_map(value).unwrap_or(0)
}

/// Parses the bytes in a line such as `MemTotal:       24684092 kB`.
pub fn kilobytes(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name).map(|rest| number(rest.trim().trim_end_matches("kB")));
    text.lines().find_map(value).unwrap_or(0) * 1024
}

/// Parses `quota period`, both in microseconds, to thousandths of a core; 0 for `max` and for -1,
/// which mean no limit.
pub(super) fn quota_milli(text: &str) -> u32 {
    let mut parts = text.split_whitespace().map(number);
    match (parts.next(), parts.next()) {
        (Some(quota), Some(period)) if period > 0 => u32::try_from(quota * 1000 / period).unwrap_or(0),
        _ => 0,
    }
}

/// Returns the path of our group below the mount of a controller (v1), or of all controllers (v2,
/// with an empty name).
pub fn cgroup_path<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then(|| path.trim_start_matches('/'))
    })
}

/// Parses the CPU time of a process from its `/proc/…/stat`, in microseconds.
pub fn process_cpu_us(stat: &str) -> u64 {
    // The program name may contain spaces and brackets; no field after the last bracket does.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).map(number).sum::<u64>() * TICK_MS * 1000
}
