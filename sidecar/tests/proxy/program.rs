//! Tests of the program itself: its output, its shutdown, and its exit code.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn sidecar(variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sitio-sidecar"));
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The exit code and standard error of a program that ends by itself.
fn end_of(mut child: Child) -> (Option<i32>, String) {
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    (child.wait().unwrap().code(), words)
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_configuration_that_makes_no_sense_is_one_line_and_exit_code_2() {
    let (code, words) = end_of(sidecar(&[("PORT", "abc")]));
    assert_eq!((code, words.as_str()), (Some(2), "sitio-sidecar: PORT is \"abc\": expected a number from 0 to 65535\n"));
    let (code, words) = end_of(sidecar(&[("SITIO_NOT_FOUND_PAGE", "/no/such/page")]));
    assert_eq!((code, words.lines().count()), (Some(2), 1), "{words}");
}

#[test]
fn a_port_that_is_taken_is_named_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [("PORT", port.as_str()), ("SITIO_LISTEN", "127.0.0.1"), ("SITIO_ADMIN_PORT", "0")];
    let (code, words) = end_of(sidecar(&variables));
    assert_eq!((code, words), (Some(1), format!("sitio-sidecar: port {port} on 127.0.0.1 is already in use\n")));
}

#[test]
fn it_prints_where_it_listens_and_ends_cleanly_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let variables = [
            ("port", "0"),
            ("target_port", "8087"),
            ("SITIO_LISTEN", "127.0.0.1"),
            ("SITIO_ADMIN_PORT", "0"),
            ("SITIO_DRAIN_GRACE", "0s"),
            ("SITIO_PORT", "tcp://10.0.0.1:80"),
        ];
        let mut child = sidecar(&variables);
        let line = first_line(&mut child);
        let port = line.strip_prefix("listening for request in ").and_then(|rest| rest.strip_suffix(" and targeting 8087\n"));
        assert_ne!(port.unwrap_or_else(|| panic!("{line:?}")).parse::<u16>().unwrap(), 0);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let (code, words) = end_of(child);
        assert_eq!(code, Some(0), "{words}");
        assert!(words.contains("the admin port is 127.0.0.1:"), "{words}");
        assert!(words.contains("ignoring unknown variables: SITIO_PORT"), "{words}");
    }
}
