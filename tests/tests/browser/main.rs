//! A person with a browser, page by page: what moves, what can be switched, and that nobody is locked out.

use std::io::Write as _;
use std::process::{Command, Stdio};

use scenario::browser::Browser;
use scenario::control_plane::ControlPlane;

mod audit;
mod callers;
mod first_minute;
mod hostile;
mod map;
mod overview;
mod pods;
mod restart;

/// What a page may load, in bytes as sent with gzip.
const BUDGETS: [(&str, usize); 2] = [("sitio.css", 10_000), ("sitio.js", 6144)];

#[test]
fn axe_notices_what_is_wrong() {
    let browser = Browser::start();
    browser.open("data:text/html,<title>x</title><img src=x><button></button>");

    let faults = browser.axe().join("\n");

    assert!(faults.contains("image-alt") && faults.contains("button-name"), "{faults}");
}

#[test]
fn style_and_script_stay_small() {
    let control_plane = ControlPlane::start();
    for (file, bytes_max) in BUDGETS {
        let text = control_plane.api().page(&format!("/static/{file}")).expect("the file is there");
        let mut gzip =
            Command::new("gzip").args(["-9", "-c", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let bytes = gzip.wait_with_output().unwrap().stdout.len();
        assert!(bytes <= bytes_max, "{file} is {bytes} bytes with gzip, more than {bytes_max}");
    }
}
