//! The images that tests run: the shipped ones, from their folders, and one of Python without a base.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use scenario::process::program;

use super::podman::Podman;
use super::render::{run, source};

#[test]
fn both_images_are_static_programs_with_the_list_of_what_they_are_made_of() {
    for (image, dependency) in [("sitio-sidecar", "tokio"), ("sitio-control-plane", "redb")] {
        let folder = image_folder(image);
        let binary = folder.join("root/usr/local/bin").join(image);
        let linked = run(Command::new("ldd").arg(&binary));
        let said = String::from_utf8_lossy(&[linked.stdout, linked.stderr].concat()).into_owned();
        assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{image}: {said}");

        let stage = fs::read_to_string(folder.join("Dockerfile")).expect("the folder has a Dockerfile");
        assert!(stage.starts_with("FROM scratch AS ") && !stage.contains("--from="), "nothing is pulled: {stage}");
        assert!(stage.contains("\nUSER 10001:0\n") && stage.contains("\nCOPY root /\n"), "{stage}");

        let names = dependencies(&binary);

        assert!(names.contains(dependency), "{image} lists its dependencies: {names}");
        let files: Vec<String> = ["etc/ssl/certs/ca-certificates.crt", "usr/share/doc/sitio/LICENSE"].map(str::to_owned).into();
        for file in files {
            assert!(folder.join("root").join(&file).is_file(), "{image} has no {file}");
        }
    }
}

#[test]
fn an_engine_that_does_not_work_is_refused_before_anything_is_compiled() {
    let script = source().join("build-images");

    let output = run(Command::new(script).env("ENGINE", "made-up"));

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`made-up info` fails: set ENGINE to podman"), "{said}");
}

/// Builds both images from their folders.
#[track_caller]
pub(crate) fn build_ours(podman: &Podman) {
    for image in ["sitio-sidecar", "sitio-control-plane"] {
        podman.build(&format!("localhost/{image}:{}", env!("CARGO_PKG_VERSION")), &image_folder(image));
    }
}

/// An image of Python without a base: the machine's own, which the pod mounts.
pub(crate) fn build_python(podman: &Podman) {
    let folder = podman.folder("python");
    for directory in ["bin", "usr", "tmp"] {
        fs::create_dir_all(folder.join(directory)).expect("the folder can be written to");
    }
    for (link, target) in [("bin/python", "/usr/bin/python3"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        symlink(target, folder.join(link)).expect("the folder can be written to");
    }
    // Python ends at SIGINT; Kubernetes sends it by the manifest's preStop, which podman does not know.
    fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY . /\nUSER 1001\nSTOPSIGNAL SIGINT\n")
        .expect("the folder can be written to");
    podman.build("localhost/python:1", &folder);
}

/// The names of the crates in a program, as `cargo auditable` puts them there.
fn dependencies(program: &Path) -> String {
    let read = "import subprocess, sys, tempfile, zlib\n\
                with tempfile.NamedTemporaryFile() as section:\n    \
                    subprocess.run(['objcopy', '-O', 'binary', '--only-section=.dep-v0', '--set-section-flags', '.dep-v0=alloc', sys.argv[1], section.name], check=True)\n    \
                    print(zlib.decompress(open(section.name, 'rb').read()).decode())";
    let output = run(Command::new("python3").args(["-c", read]).arg(program));
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The folder of an image beside the programs of this test.
fn image_folder(image: &str) -> PathBuf {
    let programs = program("sitio");
    let target = programs.ancestors().nth(2).expect("programs are in a folder of the target folder");
    let folder = target.join("test-images").join(image);
    assert!(folder.join("Dockerfile").is_file(), "{} is missing: run `make test-images`", folder.display());
    folder
}
