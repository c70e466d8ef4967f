//! Tests with file contents from real kernels.

use crate::cgroup::*;

const MIB: u64 = 1024 * 1024;

fn written(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn a_container_on_cgroup_v2_is_measured_by_its_own_group() {
    let root = tempfile::tempdir().unwrap();
    written(
        root.path(),
        &[
            ("memory.current", "73400320\n"),
            ("memory.max", "134217728\n"),
            ("memory.stat", "anon 41943040\nfile 20971520\ninactive_anon 0\ninactive_file 10485760\nactive_file 1\n"),
            (
                "cpu.stat",
                "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 3\nnr_throttled 2\nthrottled_usec 70000\n",
            ),
            ("cpu.max", "50000 100000\n"),
        ],
    );
    let source = Source::found_below(root.path(), "0::/\n");
    assert_eq!(source, Source::V2(root.path().to_owned()));
    let memory = source.memory();
    assert_eq!((memory.used, memory.limit), (60 * MIB, 128 * MIB));
    assert_eq!(source.cpu_time(), CpuTime { used_us: 1_500_000, throttled_us: 70_000 });
    assert_eq!(source.cpu_limit_milli(), 500);
}

#[test]
fn a_group_below_the_mount_is_found_by_its_path() {
    let root = tempfile::tempdir().unwrap();
    let own = root.path().join("system.slice/web.service");
    written(&own, &[("memory.current", "4096"), ("memory.max", "max")]);
    let source = Source::found_below(root.path(), "0::/system.slice/web.service\n");
    assert_eq!(source, Source::V2(own));
    assert_eq!(source.memory().limit, 0);
    assert_eq!(source.cpu_limit_milli(), 0, "a group without the cpu controller has no limit");
}

#[test]
fn a_container_on_cgroup_v1_is_measured_by_its_three_groups() {
    let root = tempfile::tempdir().unwrap();
    written(
        &root.path().join("memory/pod/web"),
        &[
            ("memory.usage_in_bytes", "73400320\n"),
            ("memory.limit_in_bytes", "134217728\n"),
            ("memory.stat", "cache 1\ninactive_file 7\ntotal_inactive_file 10485760\n"),
        ],
    );
    written(
        &root.path().join("cpu"),
        &[
            ("cpu.cfs_quota_us", "150000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 250000000\n"),
        ],
    );
    written(&root.path().join("cpuacct"), &[("cpuacct.usage", "2000000000\n")]);
    let source = Source::found_below(root.path(), "5:memory:/pod/web\n2:cpu,cpuacct:/pod/web\n0::/\n");
    let memory = source.memory();
    assert_eq!((memory.used, memory.limit), (60 * MIB, 128 * MIB));
    assert_eq!(source.cpu_time(), CpuTime { used_us: 2_000_000, throttled_us: 250_000 });
    assert_eq!(source.cpu_limit_milli(), 1500);

    fs::write(root.path().join("memory/pod/web/memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
    fs::write(root.path().join("cpu/cpu.cfs_quota_us"), "-1\n").unwrap();
    assert_eq!((source.memory().limit, source.cpu_limit_milli()), (0, 0), "both spellings of no limit");
}

#[test]
fn without_control_groups_the_process_itself_is_measured() {
    let root = tempfile::tempdir().unwrap();
    let source = Source::found_below(root.path(), "");
    assert_eq!(source, Source::Process);
    let Memory { used, limit, machine } = source.memory();
    assert!(used > MIB && machine > used, "{used} of {machine}");
    assert_eq!(limit, 0);
}

#[test]
fn a_programs_name_with_brackets_does_not_shift_its_times() {
    let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1 1";
    assert_eq!(parse::process_cpu_us(stat), 2_000_000);
    assert_eq!(parse::process_cpu_us(""), 0);
}
