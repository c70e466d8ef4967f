//! Architecture tests: crate dependencies, module boundaries and file headers, checked in the sources.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use crate::sources::{root, sources};

mod floors;
mod methods;
mod sources;

/// The crates, and the workspace crates that each may depend on.
const ARROWS: [(&str, &[&str]); 13] = [
    ("decorators", &[]),
    ("http2", &[]),
    ("inject", &[]),
    ("mesh", &["sitio-decorators"]),
    ("openid", &["sitio-decorators"]),
    ("api", &["sitio-decorators", "sitio-mesh"]),
    ("platform", &["sitio-mesh"]),
    ("proto", &["sitio-decorators", "sitio-mesh"]),
    ("exposition", &["sitio-mesh"]),
    ("format", &["sitio-mesh"]),
    (
        "sidecar",
        &["sitio-decorators", "sitio-exposition", "sitio-http2", "sitio-mesh", "sitio-openid", "sitio-platform", "sitio-proto"],
    ),
    (
        "control-plane",
        &[
            "sitio-api",
            "sitio-decorators",
            "sitio-exposition",
            "sitio-format",
            "sitio-inject",
            "sitio-mesh",
            "sitio-openid",
            "sitio-platform",
            "sitio-proto",
        ],
    ),
    (
        "cli",
        &[
            "sitio-api",
            "sitio-control-plane",
            "sitio-decorators",
            "sitio-format",
            "sitio-inject",
            "sitio-mesh",
            "sitio-platform",
            "sitio-sidecar",
        ],
    ),
];

/// The files that may use the generated wire types: the conversions, the two ends of the stream, and the benchmark's
/// end.
const WIRE_ENDS: [&str; 6] = [
    "proto/src/convert",
    "proto/src/wire.rs",
    "sidecar/src/control_client/",
    "control-plane/src/grpc",
    "bench/src/swarm/stream.rs",
    "bench/src/amplification.rs",
];

/// Modules that the traffic modules must not import, so that traffic never waits for them.
const HOUSEKEEPING: [&str; 3] = ["export", "ledger", "control_client"];

/// The modules that carry traffic.
const TRAFFIC: [&str; 13] = [
    "body",
    "decorator",
    "exchange",
    "head",
    "http1",
    "http2",
    "protocol",
    "recorder",
    "rulebook",
    "socket",
    "target",
    "upstream",
    "worker",
];

#[test]
fn crates_know_only_what_is_below_them() {
    for (name, allowed) in ARROWS {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for line in dependencies.lines().filter(|line| line.starts_with("sitio-")) {
            let known = line.split(['.', ' ', '=']).next().unwrap();
            assert!(allowed.contains(&known), "{name} must not know {known}");
        }
    }
}

#[test]
fn the_vocabulary_does_no_input_or_output_and_reads_no_clock() {
    for (file, text) in sources().iter().filter(|(file, _)| file.starts_with("mesh/src")) {
        for word in ["std::fs", "std::net", "std::io", "std::env", "tokio", "Instant::now", "SystemTime"] {
            assert!(!text.contains(word), "{file} names {word}");
        }
    }
}

/// The files of the API and the dashboard that may use the state of the whole mesh: its routes, and what belongs to no
/// namespace. All others read through `query/reader.rs`, which applies the scope of a user.
const UNSCOPED: [&str; 6] = ["api", "api/metrics", "api/probes", "api/status", "dashboard", "dashboard/state"];

#[test]
fn pages_and_the_api_read_through_the_reader_of_a_principal() {
    for (module, text) in sources::modules("control-plane") {
        let answers = ["api", "dashboard"].contains(&module.split('/').next().unwrap_or_default());
        // Samples are test code.
        if answers && module != "dashboard/sample" && !UNSCOPED.contains(&&*module) {
            assert!(!text.contains("AppState"), "{module} must read through Reader, and not from AppState");
        }
    }
}

#[test]
fn generated_types_are_named_only_at_the_door_and_at_the_two_ends() {
    for (file, text) in sources() {
        let is_end = WIRE_ENDS.iter().any(|end| file.starts_with(end));
        let is_test = file.contains("tests");
        assert!(is_end || is_test || !text.contains("proto::wire"), "{file} names the wire");
    }
}

#[test]
fn traffic_knows_nothing_of_housekeeping() {
    let carries = |file: &str| {
        TRAFFIC
            .iter()
            .any(|part| file.starts_with(&format!("sidecar/src/{part}.rs")) || file.starts_with(&format!("sidecar/src/{part}/")))
    };
    for (file, text) in sources().iter().filter(|(file, _)| carries(file)) {
        for part in HOUSEKEEPING {
            assert!(!text.contains(&format!("crate::{part}")), "{file} imports {part}");
        }
    }
}

#[test]
fn every_file_opens_with_a_sentence_that_says_what_it_is_for() {
    for (file, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.ends_with('.'), "{file} begins with {first:?}");
        assert!(!file.ends_with("/mod.rs"), "{file}: name the file after the module");
    }
}

#[test]
fn a_library_lists_its_modules_and_defines_nothing() {
    for (file, text) in sources().iter().filter(|(file, _)| file.ends_with("/src/lib.rs")) {
        let defines = text.lines().find(|line| {
            let line = line.trim();
            !(line.is_empty()
                || line.starts_with("//!")
                // The sidecar's public API: what a program needs that puts decorators of its own around a service.
                || (file.starts_with("sidecar/") && line.starts_with("pub use crate::"))
                || line.starts_with("pub mod ")
                || line.starts_with("mod ")
                || line.starts_with("#["))
        });
        assert_eq!(defines, None, "{file}");
    }
}

#[test]
fn cargo_run_runs_the_command() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\ndefault-members = [\"cli\"]\n"), "the README's first command needs one default program");
}
