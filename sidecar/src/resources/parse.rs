//! Parsers for the kernel's files about CPUs, processes and sockets.

use platform::cgroup::parse::number;

use crate::resources::cpu::CpuTimes;

/// Milliseconds per tick in `/proc`: Linux always reports 100 ticks a second there (proc(5)).
const TICK_MS: u64 = 10;

/// The state of a listening socket in `/proc/net/tcp` (include/net/tcp_states.h).
const LISTENING: &str = "0A";

/// The times of each CPU in `/proc/stat`, in file order.
pub(super) fn cpu_times(stat: &str) -> impl Iterator<Item = CpuTimes> + '_ {
    let one = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        name.strip_prefix("cpu").filter(|index| !index.is_empty())?;
        let mut ms = rest.split_whitespace().map(|ticks| number(ticks) * TICK_MS);
        Some(CpuTimes { user: ms.next()?, nice: ms.next()?, sys: ms.next()?, idle: ms.next()? })
    };
    stat.lines().filter_map(one)
}

/// The parent of a process, from its `/proc/…/stat`; 0 if it has none.
pub(super) fn parent(stat: &str) -> u32 {
    // The program name may contain spaces and brackets. No brackets follow the last one of the name.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()).unwrap_or(0)
}

/// The inodes of the sockets that listen on a port, from `/proc/net/tcp` or `tcp6` (proc(5)).
pub(super) fn listening(table: &str, port: u16) -> impl Iterator<Item = u64> + '_ {
    let inode = move |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16) == Ok(port) && is_listening(line);
        fields.get(9).filter(|_| is_it)?.parse().ok()
    };
    table.lines().filter_map(inode)
}

/// Whether a line of `/proc/net/tcp` or `tcp6` is a listening socket.
pub(super) fn is_listening(line: &str) -> bool {
    line.split_whitespace().nth(3) == Some(LISTENING)
}

/// The values of all lines `name : value` in `/proc/cpuinfo`, one per CPU.
pub(super) fn cpuinfo<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    let value =
        move |line: &'a str| line.split_once(':').filter(|(first, _)| first.trim() == name).map(|(_, value)| value.trim());
    text.lines().filter_map(value)
}
