//! Runs podman with runc, in folders of its own, so that it shares neither images nor containers with the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use scenario::process::Process;
use serde_json::Value;
use tempfile::TempDir;

use super::render::run;

/// Debian's crun fails where both versions of control groups are mounted. The limits are lower than those of
/// this process in any environment, because a container cannot raise them.
const CONFIGURATION: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

/// A podman with its images, pods and containers. Dropping it removes all of them.
pub(crate) struct Podman {
    home: TempDir,
}

impl Podman {
    /// A podman without images.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join("containers.conf"), CONFIGURATION).expect("the folder can be written to");
        Self { home }
    }

    /// A new folder for files that containers mount.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join(name);
        fs::create_dir_all(&folder).expect("the folder can be written to");
        folder
    }

    /// The standard output of a podman command.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = run(self.command().args(arguments));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "podman {}: {said}\npods need root, podman 4.3 or later, runc and catatonit: run tests/install",
            arguments.join(" ")
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Builds an image from a folder with a file `Dockerfile`.
    #[track_caller]
    pub(crate) fn build(&self, image: &str, folder: &Path) {
        let file = folder.join("Dockerfile");
        self.run(&["build", "-q", "--layers=false", "-t", image, "-f", &file.to_string_lossy(), &folder.to_string_lossy()]);
    }

    /// What podman knows about a container.
    #[track_caller]
    pub(crate) fn inspect(&self, container: &str) -> Value {
        let inspected: Value = serde_json::from_str(&self.run(&["inspect", container])).expect("podman inspects as JSON");
        inspected[0].clone()
    }

    /// The process id of a running container.
    #[track_caller]
    pub(crate) fn process_id(&self, container: &str) -> u64 {
        let id = self.inspect(container)["State"]["Pid"].as_u64().unwrap_or_default();
        assert!(id != 0, "{container} does not run: {}", self.logs(container));
        id
    }

    /// The output of a container, standard error too.
    pub(crate) fn logs(&self, container: &str) -> String {
        let output = run(self.command().args(["logs", container]));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        let place = |name: &str| self.home.path().join(name);
        command.env("CONTAINERS_CONF", place("containers.conf"));
        command.arg("--root").arg(place("root")).arg("--runroot").arg(place("run")).arg("--tmpdir").arg(place("tmp"));
        // This driver needs nothing of the kernel.
        command.args(["--storage-driver", "vfs"]);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for arguments in [["pod", "rm", "-fa", "-t", "0"].as_slice(), &["rm", "-fa", "-t", "0"]] {
            // What cannot be removed is named by the next podman that looks; a panic here would hide the test's own.
            let _ = self.command().args(arguments).output();
        }
    }
}

/// The network of a pod, in which a test can run programs.
pub(crate) struct PodNetwork {
    path: String,
}

impl PodNetwork {
    /// The network of a container.
    #[track_caller]
    pub(crate) fn of(podman: &Podman, container: &str) -> Self {
        Self { path: format!("/proc/{}/ns/net", podman.process_id(container)) }
    }

    /// Its path in the file system.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path)).arg(program);
        command
    }

    /// Starts a name server on 127.0.0.1, which answers all names with 127.0.0.1.
    #[track_caller]
    pub(crate) fn start_name_server(&self) -> Process {
        let mut command = self.command(Path::new("dnsmasq"));
        command.args([
            "--keep-in-foreground",
            "--log-facility=-",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=root",
        ]);
        command.args(["--listen-address=127.0.0.1", "--address=/#/127.0.0.1", "--pid-file="]);
        Process::start(command)
    }
}
