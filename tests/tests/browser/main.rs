//! A person with a browser, page by page: what moves, what can be switched, and that nobody is locked out.

use std::io::Write as _;
use std::process::{Command, Stdio};

use scenario::browser::Browser;
use scenario::small_mesh::SmallMesh;

mod audit;
mod callers;
mod first_minute;
mod hostile;
mod keys;
mod map;
mod overview;
mod pods;
mod restart;

/// What a page may load of each kind, in bytes as sent with gzip.
const BUDGETS: [(&str, usize); 2] = [(".css", 10_000), (".js", 6144)];

#[test]
fn axe_notices_what_is_wrong() {
    let browser = Browser::start();
    browser.open("data:text/html,<title>x</title><img src=x><button></button>");

    let faults = browser.axe().join("\n");

    assert!(faults.contains("image-alt") && faults.contains("button-name"), "{faults}");
}

#[test]
fn style_and_script_of_every_page_stay_small() {
    let mesh = SmallMesh::of("shop", 1);
    mesh.pods[0].get("/bytes/1");
    mesh.api().expect_hits("shop", 1);
    let endpoint = mesh.api().endpoints().unwrap()[0]["id"].as_str().unwrap().to_owned();
    let endpoint = format!("/endpoints/{endpoint}");
    let client = scenario::plain::client().build().unwrap();
    for page in ["/", "/pods", "/map", "/audit", "/tap", &endpoint, &format!("{endpoint}/pin"), "/nowhere"] {
        let address = format!("http://127.0.0.1:{}{page}", mesh.control_plane.http_port);
        let html = client.get(address).send().unwrap().text().unwrap();
        for (kind, bytes_max) in BUDGETS {
            let files = html.split('"').filter(|part| part.starts_with("/static/") && part.ends_with(kind));
            let bytes: usize = files.map(|file| zipped(&mesh.api().page(file).expect("the file is there"))).sum();
            assert!((1..=bytes_max).contains(&bytes), "{page} loads {bytes} bytes of {kind} with gzip, of at most {bytes_max}");
        }
    }
}

fn zipped(text: &str) -> usize {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "-c", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = gzip.spawn().expect("gzip is installed");
    gzip.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("gzip reads");
    gzip.wait_with_output().expect("gzip ends").stdout.len()
}
