//! Tests with recorded kernel files, and one test with the real files of this machine.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use platform::cgroup::{CpuTime, Source};

use crate::resources::accounts::Accounts;
use crate::resources::cpu::CpuTimes;
use crate::resources::service::ServiceProcesses;
use crate::resources::{Meter, cores};

const MIB: u64 = 1024 * 1024;

fn written(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn pods_that_share_a_control_group_report_their_services_and_not_all_of_it() {
    let (root, proc) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(root.path(), &[("memory.current", "21474836480\n"), ("memory.max", "max\n"), ("cgroup.procs", "7\n20\n21\n30\n")]);
    written(&proc.path().join("self"), &[("cgroup", "0::/\n"), ("comm", "sitio-sidecar\n")]);
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1F97 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n   1: 0100007F:1F97 0100007F:9C40 01 0:0 0:0 0 0 0 4712 1\n";
    written(&proc.path().join("net"), &[("tcp", tcp)]);
    for (pid, comm, parent, times) in [
        (7, "sitio-sidecar", 1, "10 10"),
        (8, "sitio-sidecar", 1, "10 10"),
        (20, "python3", 1, "150 50"),
        (21, "worker", 20, "50 50"),
        (30, "other", 1, "900 900"),
    ] {
        let folder = proc.path().join(pid.to_string());
        let stat = format!("{pid} ({comm}) S {parent} 1 1 0 -1 0 0 0 0 0 {times} 0 0 20 0 1 0 1 1 1");
        written(
            &folder,
            &[
                ("comm", &format!("{comm}\n")),
                ("stat", &stat),
                ("status", "RssAnon:\t4096 kB\nRssFile:\t1024 kB\nRssShmem:\t0 kB\n"),
            ],
        );
        fs::create_dir(folder.join("fd")).unwrap();
    }
    std::os::unix::fs::symlink("socket:[4711]", proc.path().join("20/fd/3")).unwrap();
    let found = || Accounts::found_in(root.path(), proc.path(), Some(8087));
    assert_eq!(found(), Accounts::Kernel(Source::V2(root.path().to_owned())), "one sidecar alone, as in a container");

    written(root.path(), &[("cgroup.procs", "7\n8\n20\n21\n30\n")]);
    let source = found();
    assert_eq!((source.memory().used, source.memory().limit), (9 * MIB, 0), "the service and its child, and nothing else");
    assert_eq!(source.cpu_time(), CpuTime { used_us: 3_000_000, throttled_us: 0 });

    fs::remove_file(proc.path().join("20/fd/3")).unwrap();
    assert_eq!((found().memory().used, found().cpu_time()), (0, CpuTime::default()), "no program is seen to listen");
    assert_eq!(Accounts::found_in(root.path(), proc.path(), None), Accounts::Nothing);
}

#[test]
fn the_groups_of_the_machine_and_of_a_session_are_not_a_pods() {
    let (root, proc) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let session = root.path().join("user.slice/user-0.slice/session-1.scope");
    written(&session, &[("memory.current", "4096\n")]);
    written(root.path(), &[("memory.current", "8192\n")]);
    let of = |membership: &str| {
        written(&proc.path().join("self"), &[("cgroup", membership), ("comm", "sitio-sidecar\n")]);
        Accounts::found_in(root.path(), proc.path(), None)
    };
    assert_eq!(of("0::/user.slice/user-0.slice/session-1.scope\n"), Accounts::Nothing);
    assert_eq!(of("0::/\n"), Accounts::Kernel(Source::V2(root.path().to_owned())), "the root of a container's own groups");
    written(&proc.path().join("2"), &[("comm", "kthreadd\n")]);
    assert_eq!(of("0::/\n"), Accounts::Nothing, "the root of the machine's");
}

#[test]
fn a_real_service_is_found_by_its_port_and_measured() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(ServiceProcesses::behind(Path::new("/proc"), port).memory_bytes(), 0, "the sidecar itself is no service");
    // The child holds the socket as its standard input.
    let mut child = std::process::Command::new("sleep").arg("600").stdin(std::os::fd::OwnedFd::from(listener)).spawn().unwrap();
    let used = ServiceProcesses::behind(Path::new("/proc"), port).memory_bytes();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(used > 0, "a living process has memory");
}

#[test]
fn use_and_throttling_are_per_second_between_two_measurements() {
    let root = tempfile::tempdir().unwrap();
    let at = |stat: &str| written(root.path(), &[("memory.current", "1\n"), ("cpu.max", "50000 100000\n"), ("cpu.stat", stat)]);
    at("usage_usec 1000000\nthrottled_usec 10000\n");
    let mut meter = Meter::fixed(Source::found_below(root.path(), "0::/\n"));
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
fn processors_are_reported_as_in_the_articles() {
    let stat = "cpu  20 0 5 30 0 0 0 0 0 0\ncpu0 12 1 3 14 0 0 0 0 0 0\ncpu1 8 0 2 16 0 0 0 0 0 0\nintr 1 2\n";
    let cpuinfo = "processor\t: 0\nmodel name\t: Intel Xeon\ncpu MHz\t\t: 2596.6\n\nprocessor\t: 1\nmodel name\t: Intel Xeon\n";
    let cpus = cores::listed(stat, cpuinfo);
    assert_eq!(cpus.len(), 2);
    assert_eq!((cpus[0].model.as_str(), cpus[0].speed, cpus[1].speed), ("Intel Xeon", 2597, 0));
    assert_eq!(cpus[0].times, CpuTimes { user: 120, nice: 10, sys: 30, idle: 140 });
}

#[test]
fn pods_in_one_process_report_equal_parts_of_it() {
    let alone = Meter::fixed(Source::Process).measure(Instant::now()).resources.memory_bytes;
    let part = Meter::shared(NonZeroU32::new(8).unwrap()).measure(Instant::now()).resources;
    let together = part.memory_bytes * 8;
    assert!(together > alone / 2 && together < alone * 2, "{together} of {alone}");
    assert_eq!((part.memory_limit_bytes, part.cpu_limit_milli), (0, 0), "a process has no limits of its own");
}

#[test]
fn this_machine_can_be_measured() {
    let mut meter = Meter::new();
    let start = Instant::now();
    let first = meter.measure(start);
    assert!(first.machine.total_memory > 0 && first.machine.total_memory >= first.machine.free_memory);
    assert_eq!(first.resources.cpu_milli, 0, "nothing to compare the first measurement with");
    assert!(!first.machine.cpus.is_empty());
    meter.measure(start + Duration::from_secs(1));
}
