//! Names that a stranger has chosen: shown on every page, and nothing more than shown.

use anyhow::ensure;
use scenario::browser::Browser;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::looks::assert_no_barriers;
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

/// Paths as bytes on the wire: markup, quotes, a mark that turns the direction of writing, a picture, and what is no text.
const PATHS: [&str; 6] = [
    "/%3Cscript%3Ealert(1)%3C/script%3E",
    "/a%22onmouseover=%27alert(1)%27",
    "/&lt;b&gt;/{x}|y",
    "/%E2%80%AEgnp.exe",
    "/%F0%9F%8E%89/party",
    "/broken/%FF%FE%C0",
];

#[test]
fn nothing_that_is_shown_does_anything() {
    let (control_plane, origin) = (ControlPlane::start(), Origin::start());
    let service = "<script>alert(2)</script>";
    let plan = Sidecar::plan(origin.port()).named(service, "pod\u{202e}<b>1</b>");
    let sidecar = plan.with("NODE_NAME", "\"><img src=x>").reports_to(control_plane.grpc_port).start();
    for path in PATHS {
        sidecar.get(path);
    }
    sidecar.get(&format!("/{}", "long".repeat(2500)));
    let api = control_plane.api();
    eventually(SOON, || {
        let rows = api.endpoints()?.len();
        ensure!(rows >= 3, "{rows} rows");
        Ok(())
    });
    api.turn_off(service, "GET /broken/x", "1h");

    let browser = Browser::start();
    let endpoint = api.endpoints().unwrap()[0]["id"].as_str().unwrap().to_owned();
    for page in [
        "/?find=%22%3E%3Cscript%3Ealert(3)%3C/script%3E",
        "/",
        "/pods?find=%3Cb%3E",
        "/audit?find=%22%3E%3Cb",
        "/map",
        "/tap?route=/%3Cscript%3E&service=%22%3E%3Cimg%20src=x%3E",
        &format!("/endpoints/{endpoint}"),
        &format!("/endpoints/{endpoint}?window=7d&history=slowest"),
        &format!("/endpoints/{endpoint}/pin"),
    ] {
        browser.open(&format!("http://127.0.0.1:{}{page}", control_plane.http_port));
        eventually(SOON, || {
            ensure!(
                browser.script("return document.body.dataset.pulse ?? document.body.dataset.live")? != "yes",
                "it is not live yet"
            );
            Ok(())
        });
        let strange = "return document.querySelectorAll('main script, main img, main b b, [onmouseover]').length";
        assert_eq!(browser.script(strange).unwrap(), 0, "{page}");
        assert_no_barriers(&browser, page);
    }
    for (page, name) in [("/", service), ("/pods", "\u{202e}<b>1</b>"), ("/audit", service), ("/map", "<script>")] {
        browser.open(&format!("http://127.0.0.1:{}{page}", control_plane.http_port));
        let text = browser.script("return document.querySelector('main').textContent").unwrap();
        assert!(text.as_str().is_some_and(|text| text.contains(name)), "{page} shows {name}: {text}");
    }
    // The same as files, in which no cell begins a formula.
    for path in ["/endpoints.csv", "/pods.csv", "/audit.csv", &format!("/endpoints/{endpoint}/csv/requests.csv")] {
        let file = api.page(path).unwrap();
        assert!(file.lines().count() >= 2, "{path}: {file}");
        let cells = file.split([',', '\n']).map(|cell| cell.trim_matches('"'));
        assert_eq!(cells.filter(|cell| cell.starts_with(['=', '+', '@'])).count(), 0, "{path}: {file}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}
