//! Proofs by texts that kernels wrote, and one look at the machine that runs the test.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use platform::cgroup::Source;

use crate::resources::{CpuTimes, Meter, cores};

fn written(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn use_and_throttling_are_told_per_second_between_two_measurements() {
    let root = tempfile::tempdir().unwrap();
    let at = |stat: &str| written(root.path(), &[("memory.current", "1\n"), ("cpu.max", "50000 100000\n"), ("cpu.stat", stat)]);
    at("usage_usec 1000000\nthrottled_usec 10000\n");
    let mut meter = Meter::of(Source::found_below(root.path(), "0::/\n"));
    let start = Instant::now();
    assert_eq!(meter.measure(start).resources.throttled_milli, 0, "nothing to compare the first measurement with");
    at("usage_usec 2000000\nthrottled_usec 510000\n");
    let resources = meter.measure(start + Duration::from_secs(2)).resources;
    assert_eq!((resources.cpu_milli, resources.cpu_limit_milli, resources.throttled_milli), (500, 500, 250));
    at("usage_usec 0\n");
    let resources = meter.measure(start + Duration::from_secs(4)).resources;
    assert_eq!((resources.cpu_milli, resources.throttled_milli), (0, 0), "accounts that began anew are no use of negative time");
}

#[test]
fn processors_are_told_of_as_the_seeds_do() {
    let stat = "cpu  20 0 5 30 0 0 0 0 0 0\ncpu0 12 1 3 14 0 0 0 0 0 0\ncpu1 8 0 2 16 0 0 0 0 0 0\nintr 1 2\n";
    let cpuinfo = "processor\t: 0\nmodel name\t: Intel Xeon\ncpu MHz\t\t: 2596.6\n\nprocessor\t: 1\nmodel name\t: Intel Xeon\n";
    let cpus = cores::listed(stat, cpuinfo);
    assert_eq!(cpus.len(), 2);
    assert_eq!((cpus[0].model.as_str(), cpus[0].speed, cpus[1].speed), ("Intel Xeon", 2597, 0));
    assert_eq!(cpus[0].times, CpuTimes { user: 120, nice: 10, sys: 30, idle: 140 });
}

#[test]
fn pods_in_one_process_tell_equal_parts_of_it() {
    let alone = Meter::of(Source::Process).measure(Instant::now()).resources.memory_bytes;
    let part = Meter::of_part(NonZeroU32::new(8).unwrap()).measure(Instant::now()).resources;
    let together = part.memory_bytes * 8;
    assert!(together > alone / 2 && together < alone * 2, "{together} of {alone}");
    assert_eq!((part.memory_limit_bytes, part.cpu_limit_milli), (0, 0), "a process has no limits of its own");
}

#[test]
fn this_machine_can_be_measured() {
    let mut meter = Meter::new();
    let start = Instant::now();
    let first = meter.measure(start);
    assert!(first.resources.memory_bytes > 0 && first.machine.total_memory > first.machine.free_memory);
    assert_eq!(first.resources.cpu_milli, 0, "nothing to compare the first measurement with");
    assert!(!first.machine.cpus.is_empty());
    meter.measure(start + Duration::from_secs(1));
}
