//! Reads what the kernel writes about processors.

use platform::cgroup::parse::number;

use crate::resources::CpuTimes;

/// Milliseconds per tick of `/proc`: Linux counts 100 ticks a second there, whatever it uses itself (proc(5)).
const TICK_MS: u64 = 10;

/// The times of each processor in `/proc/stat`, in its order.
pub(super) fn cpu_times(stat: &str) -> impl Iterator<Item = CpuTimes> + '_ {
    let one = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        name.strip_prefix("cpu").filter(|index| !index.is_empty())?;
        let mut ms = rest.split_whitespace().map(|ticks| number(ticks) * TICK_MS);
        Some(CpuTimes { user: ms.next()?, nice: ms.next()?, sys: ms.next()?, idle: ms.next()? })
    };
    stat.lines().filter_map(one)
}

/// The values of every line `name : value` in `/proc/cpuinfo`, one for each processor.
pub(super) fn cpuinfo<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    let value =
        move |line: &'a str| line.split_once(':').filter(|(first, _)| first.trim() == name).map(|(_, value)| value.trim());
    text.lines().filter_map(value)
}
