//! Browser test with hostile names: every page shows them as text and never as markup.

use anyhow::ensure;
use scenario::accessibility::{ZOOMED, assert_no_barriers, cut_off};
use scenario::browser::{Browser, Scheme};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

/// Paths as bytes on the wire: markup, quotes, a right-to-left override, an emoji, and invalid UTF-8.
const PATHS: [&str; 6] = [
    "/%3Cscript%3Ealert(1)%3C/script%3E",
    "/a%22onmouseover=%27alert(1)%27",
    "/&lt;b&gt;/y",
    "/%E2%80%AEgnp.exe",
    "/%F0%9F%8E%89/party",
    "/broken/%FF%FE%C0",
];

/// A hostile service name.
const SERVICE: &str = "<script>alert(2)</script>";

/// Counts elements that no page contains by itself.
const STRANGE: &str =
    "return document.querySelectorAll('main script, main img, main b b, [onmouseover], dialog script, dialog li b').length";

/// A service, a pod and a node with hostile names, requests to hostile paths, and one endpoint turned off.
struct Stranger {
    sidecar: Sidecar,
    control_plane: ControlPlane,
    origin: Origin,
}

impl Stranger {
    fn start() -> Self {
        let (control_plane, origin) = (ControlPlane::start(), Origin::start());
        let plan = Sidecar::builder(origin.port()).named(SERVICE, "pod\u{202e}<b>1</b>");
        let sidecar = plan.with("NODE_NAME", "\"><img src=x>🎉").reports_to(control_plane.grpc_port).start();
        let stranger = Self { sidecar, control_plane, origin };
        stranger.ask();
        let api = stranger.control_plane.api();
        eventually(SOON, || {
            let hits = api.hits(SERVICE)?;
            ensure!(hits >= PATHS.len() as u64, "{hits} hits");
            Ok(())
        });
        api.turn_off(SERVICE, "GET /broken/x", "1h");
        stranger
    }

    /// Requests every path, and one of nearly the longest length that a sidecar accepts.
    fn ask(&self) {
        for path in PATHS {
            self.sidecar.get(path);
        }
        self.sidecar.get(&format!("/{}", "long".repeat(1900)));
    }

    /// The ids of the service's endpoints.
    fn ids(&self) -> Vec<String> {
        let rows = self.control_plane.api().endpoints().expect("the API answers");
        rows.iter().filter_map(|row| row["id"].as_str()).map(str::to_owned).collect()
    }

    /// Opens a page, and waits until it is live.
    fn open(&self, browser: &Browser, page: &str) {
        browser.open(&format!("http://127.0.0.1:{}{page}", self.control_plane.http_port));
        eventually(SOON, || {
            let pulse = browser.script("return document.body.dataset.pulse ?? document.body.dataset.live")?;
            ensure!(pulse != "yes", "it is not live yet");
            Ok(())
        });
        assert_eq!(browser.script(STRANGE).expect("the page can be looked at"), 0, "{page}");
    }
}

#[test]
fn nothing_that_is_shown_does_anything() {
    let (stranger, browser) = (Stranger::start(), Browser::start());
    let endpoint = stranger.ids().remove(0);
    for page in [
        "/?find=%22%3E%3Cscript%3Ealert(3)%3C/script%3E",
        "/",
        "/pods?find=%3Cb%3E&group=node",
        "/audit?find=%22%3E%3Cb",
        "/audit",
        "/map",
        "/tap?route=/%3Cscript%3E&service=%22%3E%3Cimg%20src=x%3E",
        &format!("/endpoints/{endpoint}"),
        &format!("/endpoints/{endpoint}?window=7d&history=slowest"),
        &format!("/endpoints/{endpoint}/pin"),
    ] {
        stranger.open(&browser, page);
        assert_no_barriers(&browser, page);
    }
    for (page, name) in [
        ("/", SERVICE),
        ("/pods", "pod\\u{202e}<b>1</b>"),
        ("/pods?group=node", "\"><img src=x>🎉, 1 pod"),
        ("/audit", SERVICE),
        ("/map", "<script>"),
    ] {
        stranger.open(&browser, page);
        let text = browser.script("return document.querySelector('main').textContent").unwrap();
        assert!(text.as_str().is_some_and(|text| text.contains(name)), "{page} shows {name}: {text}");
    }
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn no_endpoint_and_no_pattern_does_anything() {
    let (stranger, browser) = (Stranger::start(), Browser::start());
    let mut shown = String::new();
    for id in stranger.ids() {
        for page in ["", "/pin", "/pin?pattern=%3Cscript%3E", "/pin?pattern=/a%22onmouseover=x/{y}"] {
            stranger.open(&browser, &format!("/endpoints/{id}{page}"));
            browser.look_as(ZOOMED.0, ZOOMED.1, Scheme::Light);
            assert_eq!(cut_off(&browser), Vec::<String>::new(), "{id}{page}");
        }
        stranger.open(&browser, &format!("/endpoints/{id}"));
        shown += browser.script("return document.getElementById('requests').textContent").unwrap().as_str().unwrap();
    }
    // Paths are shown in the form in which they were received.
    for path in PATHS {
        assert!(shown.contains(path), "{path} is shown: {shown}");
    }
    assert!(shown.contains(&"long".repeat(10)), "the long path is shown, as much of it as was kept");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn nothing_that_happens_does_anything() {
    let (stranger, browser) = (Stranger::start(), Browser::start());

    // The live tap, including the longest request.
    stranger.open(&browser, "/tap");
    eventually(SOON, || {
        ensure!(browser.text("#tap-pods")? == "1 pod is tapped", "no pod is tapped yet");
        Ok(())
    });
    stranger.ask();
    eventually(SOON, || {
        let rows = browser.script("return document.querySelectorAll('#tapped tr').length")?;
        ensure!(rows.as_u64() >= Some(PATHS.len() as u64), "{rows} rows");
        Ok(())
    });
    assert_eq!(browser.script(STRANGE).unwrap(), 0, "the tap");
    assert_no_barriers(&browser, "the tap");

    // A command and its progress.
    stranger.open(&browser, "/?show=off");
    eventually(SOON, || browser.click("button[role=switch][aria-checked=false]"));
    eventually(SOON, || {
        ensure!(browser.text("#toast span")?.contains("is on again"), "no result is shown");
        Ok(())
    });
    browser.click("#undo").unwrap();
    eventually(SOON, || {
        ensure!(browser.text("#acks")?.contains("<b>1</b>"), "the pod is not named");
        Ok(())
    });
    assert_eq!(browser.script(STRANGE).unwrap(), 0, "the progress");
    assert_no_barriers(&browser, "the progress on a pod with a hostile name");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn no_cell_of_a_file_begins_a_formula() {
    let stranger = Stranger::start();
    let api = stranger.control_plane.api();
    let plan = Sidecar::builder(stranger.origin.port()).named("@service", "+pod").with("NODE_NAME", "=1+1");
    let sidecar = plan.reports_to(stranger.control_plane.grpc_port).start();
    sidecar.get("/x");
    api.expect_hits("@service", 1);
    api.turn_off("@service", "GET /x", "1h");
    let rows = api.endpoints().unwrap();
    let endpoint = rows.iter().find(|row| row["service"] == "@service").and_then(|row| row["id"].as_str()).unwrap();
    let requests = format!("/endpoints/{endpoint}/csv/requests.csv");
    for (path, names) in [
        ("/endpoints.csv", &["'@service"][..]),
        ("/pods.csv", &["'@service", "'+pod", "'=1+1"]),
        ("/audit.csv", &["'@service"]),
        ("/map.csv", &["'@service"]),
        (&requests, &["'+pod"]),
    ] {
        let file = api.page(path).unwrap();
        assert!(names.iter().all(|name| file.contains(name)), "{path}: {file}");
        let cells = file.split([',', '\n']).map(|cell| cell.trim_matches('"'));
        assert_eq!(cells.filter(|cell| cell.starts_with(['=', '+', '@'])).count(), 0, "{path}: {file}");
    }
}
