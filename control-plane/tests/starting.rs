//! Tests of the startup of the program: which errors stop it, with one line each, and which do not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program with only these environment variables, on free ports and with its data in this
/// folder.
fn program(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sitio-control-plane"));
    command.env_clear().env("SITIO_HTTP_ADDR", "127.0.0.1:0").env("SITIO_GRPC_ADDR", "127.0.0.1:0");
    command.env("SITIO_DATA_DIR", folder).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs it until it exits, and returns the exit code and the last line of output.
fn ends(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr.lines().last().unwrap_or_default().to_owned())
}

/// Starts it, waits until it listens, and returns its output so far.
fn started(mut command: Command) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut written = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        written += &line;
        written.push('\n');
        if line.contains("http=127.0.0.1:") && line.contains("grpc=127.0.0.1:") {
            return (child, written);
        }
    }
    panic!("it ended with {:?}: {written}", child.wait());
}

#[test]
fn settings_that_make_no_sense_are_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no-token");
    for (variables, said) in [
        (vec![("SITIO_HTTP_ADDR", "eighty")], "SITIO_HTTP_ADDR"),
        (vec![("SITIO_GRPC_ADDR", "127.0.0.1")], "SITIO_GRPC_ADDR"),
        (vec![("SITIO_FORGET_PODS_AFTER", "soon")], "SITIO_FORGET_PODS_AFTER"),
        (vec![("SITIO_HTTP_ADDR", "0.0.0.0:0")], "SITIO_TOKEN"),
        (vec![("SITIO_GRPC_ADDR", "[::]:0"), ("SITIO_TOKEN", "")], "SITIO_TOKEN"),
        (vec![("SITIO_TOKEN_FILE", missing.to_str().unwrap())], "no-token"),
    ] {
        let output = program(folder.path(), &variables).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{variables:?}: {stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(said), "{variables:?}: {stderr}");
    }
}

#[test]
fn a_token_that_is_short_hidden_badly_or_not_whole_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let ended = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = program(folder.path(), variables);
        command.args(arguments);
        ends(command)
    };
    for (text, why) in
        [("\u{feff}a-token-of-a-decent-length", "byte order mark"), ("one\ntwo\n", "more than one line"), ("\n", "empty")]
    {
        std::fs::write(&file, text).unwrap();
        let (code, said) = ended(&[("SITIO_TOKEN_FILE", file.to_str().unwrap())], &[]);
        assert!(code == Some(2) && said.contains("SITIO_TOKEN_FILE") && said.contains(why), "{said}");
    }
    let (code, said) = ended(&[("SITIO_HTTP_ADDR", "0.0.0.0:0"), ("SITIO_TOKEN", "x")], &[]);
    assert!(code == Some(2) && said.contains("at least 16") && said.contains("openssl"), "{said}");
    let (code, said) = ended(&[], &["--token", "a-token-of-a-decent-length"]);
    assert!(code == Some(2) && said.contains("--token-file") && !said.contains("decent"), "{said}");
    let (code, said) = ended(&[("SITIO_PUBLIC_URL", "mesh.example")], &[]);
    assert!(code == Some(2) && said.contains("SITIO_PUBLIC_URL") && said.contains("https://"), "{said}");
}

#[test]
fn a_store_that_is_empty_where_there_was_one_is_said_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, written) = started(program(folder.path(), &[]));
    assert!(!written.contains("ERROR"), "{written}");
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(folder.path().join("sitio.redb"), "").unwrap();

    let (mut child, written) = started(program(folder.path(), &[]));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(written.contains("ERROR") && written.contains("not the one that was there before"), "{written}");
}

#[test]
fn a_taken_port_and_a_store_that_cannot_be_used_are_named_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for variable in ["SITIO_HTTP_ADDR", "SITIO_GRPC_ADDR"] {
        let (code, line) = ends(program(folder.path(), &[(variable, &address)]));
        assert_eq!(code, Some(1), "{line}");
        assert!(line.contains(&address) && line.contains("taken") && line.contains(variable), "{line}");
    }

    let (mut first, _) = started(program(folder.path(), &[]));
    let (code, line) = ends(program(folder.path(), &[]));
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("sitio.redb") && line.contains("in use"), "{line}");

    std::fs::write(folder.path().join("sitio.redb"), vec![7; 100_000]).unwrap();
    let (code, line) = ends(program(folder.path(), &[]));
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("sitio.redb cannot be read"), "{line}");
}

#[test]
fn what_kubernetes_makes_of_service_names_is_only_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let made = [("SITIO_GRPC_ADDR", "tcp://10.0.0.7:8091"), ("SITIO_PORT", "tcp://10.0.0.7:8090"), ("SITIO_TYPO", "1")];
    let mut command = program(folder.path(), &made);
    command.args(["--grpc-addr", "127.0.0.1:0"]);

    let (mut child, written) = started(command);

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(written.contains("SITIO_GRPC_ADDR") && written.contains("SITIO_TYPO"), "{written}");
}
