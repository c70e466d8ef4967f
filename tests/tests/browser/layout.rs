//! Browser test of the layout of every page at every width, with the longest possible names.
//!
//! Nothing is wider than the window, nothing is cut off, and every switch is visible.

use std::net::Ipv4Addr;

use anyhow::ensure;
use scenario::accessibility::cut_off;
use scenario::browser::{Browser, Scheme};
use scenario::client::Client;
use scenario::control_plane::ControlPlane;
use scenario::disable_dialog;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::python_file_server::PythonFileServer;
use scenario::sidecar::Sidecar;
use serde_json::json;

/// Phones, widths around the breakpoints of the style sheet, and desktop screens.
const WIDTHS: [u32; 14] = [320, 345, 390, 480, 481, 720, 940, 941, 1024, 1180, 1280, 1440, 1920, 2560];

/// The address of the pod with the longest names, which calls both services.
const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 32);

/// The longest name in bytes.
const NAME: usize = 253;

/// Finds layout faults in a window of `WIDTH`: a page that is too wide, switches that are not visible, and on a desk a
/// table that has to be scrolled sideways.
const FAULTS: &str = "
    const wide = document.documentElement.scrollWidth;
    const faults = wide > WIDTH ? [`the page is ${wide} px wide`] : [];
    for (const table of WIDTH < 1280 ? [] : document.querySelectorAll('.tw')) {
        const more = table.scrollWidth - table.clientWidth;
        if (table.checkVisibility() && more > 1) faults.push(`${more} px of the table ${table.textContent.slice(0, 40)} are out of sight`);
    }
    for (const sw of document.querySelectorAll('.sw')) {
        const {left, right} = sw.getBoundingClientRect();
        const table = sw.closest('.tw')?.getBoundingClientRect() ?? {left: 0, right: WIDTH};
        if (sw.checkVisibility() && (left < table.left - 1 || right > Math.min(table.right, WIDTH) + 1)) {
            faults.push(`a switch is at ${left} to ${right}`);
        }
    }
    return faults;";

/// Services with the longest names, on a node and in a namespace with the longest names.
struct LongNames {
    _sidecars: Vec<Sidecar>,
    control_plane: ControlPlane,
    _origin: Origin,
    /// The ids of the endpoints.
    ids: Vec<String>,
}

/// A long name without separators, which can be cut at any character.
fn letters(start: &str, length: usize) -> String {
    start.chars().chain("abcdefghijklmnopqrstuvwxyz".chars().cycle()).take(length).collect()
}

/// A path of words that are not detected as ids.
fn path(length: usize) -> String {
    "/customer-relationship".repeat(12).chars().take(length).collect()
}

impl LongNames {
    fn start() -> Self {
        let (control_plane, origin) = (ControlPlane::start(), Origin::start());
        let start = |service: String, namespace: String, pod: String, address: Ipv4Addr| {
            let plan = Sidecar::builder(origin.port()).named(&service, &pod).with("POD_NAMESPACE", &namespace);
            let plan = plan.with("POD_IP", &address.to_string());
            plan.with("NODE_NAME", &letters("node", NAME)).reports_to(control_plane.grpc_port).start()
        };
        let sidecars = vec![
            start(letters("service", 63), letters("namespace", 63), letters("pod", NAME), CALLER),
            start(letters("longest", 250), "default".into(), "short".into(), Ipv4Addr::LOCALHOST),
        ];
        for sidecar in &sidecars {
            for target in ["/short".to_owned(), path(114), path(250)] {
                sidecar.get(&target);
            }
            Client::connect_from(CALLER, sidecar.port).get("/short");
        }
        let mut ids = Vec::new();
        eventually(SOON, || {
            let rows = control_plane.api().endpoints()?;
            let longest = rows.iter().filter_map(|row| row["route"].as_str()).map(str::len).max();
            ensure!(rows.len() == 6 && longest == Some(250), "{} rows, the longest route has {longest:?} letters", rows.len());
            ids = rows.iter().filter_map(|row| row["id"].as_str()).map(str::to_owned).collect();
            Ok(())
        });
        control_plane.api().turn_off(&letters("longest", 250), &format!("GET {}", path(250)), "1h");
        Self { _sidecars: sidecars, control_plane, _origin: origin, ids }
    }

    /// Crashes a service with the longest names, so that there is a notice with them.
    fn crash_a_service(&self) -> Sidecar {
        let (mut service, names, api) =
            (PythonFileServer::start(), [letters("crashed", 250), letters("down", NAME)], self.control_plane.api());
        let plan = Sidecar::builder(service.port()).named(&names[0], &names[1]).with("POD_NAMESPACE", &letters("namespace", 63));
        let sidecar = plan.reports_to(self.control_plane.grpc_port).start();
        eventually(SOON, || {
            let pods = api.pods()?;
            ensure!(pods.iter().any(|pod| pod["pod"] == *names[1] && pod["service_listens"] == "listening"), "{pods:?}");
            Ok(())
        });
        service.crash();
        eventually(SOON, || {
            let page = api.page("/notices")?;
            ensure!(names.iter().all(|name| page.contains(name)), "there is no notice yet");
            Ok(())
        });
        sidecar
    }

    /// Decorates an endpoint with a long name, with a value and a reason of one long word.
    fn decorate(&self) {
        let action = json!({"headers": {"response": {"set": {"X-Long": letters("value", 500)}}}});
        let order = json!({
            "service": letters("longest", 250), "method": "GET", "route": path(250), "ttl": "1h", "action": action,
            "reason": letters("reason", 500),
        });
        let (status, answer) = self.control_plane.api().order(&order).expect("the API answers");
        assert_eq!(status, 201, "{answer}");
    }

    /// Opens a page, and waits until it is live.
    fn open(&self, browser: &Browser, page: &str) {
        browser.open(&format!("http://127.0.0.1:{}{page}", self.control_plane.http_port));
        eventually(SOON, || {
            let pulse = browser.script("return document.body.dataset.pulse ?? document.body.dataset.live")?;
            ensure!(pulse != "yes", "{page} is not live yet");
            Ok(())
        });
    }

    fn pages(&self) -> Vec<String> {
        let pages =
            ["/", "/pods", "/map", "/notices", "/decorators", "/audit", "/tap", "/nowhere"].into_iter().map(str::to_owned);
        let endpoints = self.ids.iter().map(|id| format!("/endpoints/{id}"));
        pages.chain(endpoints).chain(self.ids.first().map(|id| format!("/endpoints/{id}/pin"))).collect()
    }
}

/// The layout faults of the page at this width.
fn faults(browser: &Browser, width: u32) -> Vec<String> {
    browser.look_as(width, 900, Scheme::Light);
    let found = browser.script(&FAULTS.replace("WIDTH", &width.to_string())).expect("the page can be measured");
    found.as_array().into_iter().flatten().map(|fault| format!("{width} px: {fault}")).collect()
}

#[test]
fn no_name_makes_a_page_wider_than_its_window_or_hides_a_switch() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    let _crashed = mesh.crash_a_service();
    mesh.decorate();
    let mut wrong = Vec::new();
    for page in mesh.pages() {
        mesh.open(&browser, &page);
        for width in WIDTHS {
            let cut = faults(&browser, width).into_iter().chain(cut_off(&browser));
            wrong.extend(cut.map(|fault| format!("{page} at {width} px: {fault}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_name_makes_the_dialog_wider_than_its_window() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    let rows = mesh.control_plane.api().endpoints().unwrap();
    let is_longest = |row: &&serde_json::Value| row["route"].as_str().map(str::len) == Some(250) && row["state"] == "on";
    let longest = rows.iter().find(is_longest).expect("one of the longest endpoints is on");
    browser.look_as(1440, 900, Scheme::Light);
    mesh.open(&browser, &format!("/endpoints/{}", longest["id"].as_str().unwrap()));
    eventually(SOON, || browser.click("#turn"));
    disable_dialog::give_reason(&browser, &letters("reason", 1000));
    browser.click("#off label:has([name=where][value=chosen])").unwrap();
    // A dialog scrolls down, so a part that is too wide would be scrolled sideways instead of cut off. A choice grows
    // with its text.
    let too_large = "return [...document.querySelectorAll('#off, #off *')]
        .filter(box => box.checkVisibility() && !box.matches('textarea, input')
            && ((box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(box).overflowX))
            || (box.matches('.opts span') && box.scrollHeight > box.clientHeight + 1)))
        .map(box => `${box.tagName} ${box.className} holds ${box.scrollWidth} x ${box.scrollHeight} px, and is smaller`)";
    let mut wrong = Vec::new();
    for width in WIDTHS {
        let faults = faults(&browser, width).into_iter().chain(cut_off(&browser));
        let too_large = browser.script(too_large).unwrap();
        let too_large = too_large.as_array().into_iter().flatten().map(ToString::to_string);
        wrong.extend(faults.chain(too_large).map(|fault| format!("{width} px: {fault}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Writes the widest comparisons into the tiles, and returns the texts that are wider than their tile.
const WIDEST: &str = "
    const widest = {
        'requests.lead': '▼ down 99.9 %', 'requests.note': 'vs the 90 d before', 'p95_moved': 'p95 ▼ down 99.9 %',
        'failing.lead': '▼ down from 99.9 %', 'failing.note': '· 999,999/s',
        'avg_lead': '▼ down 99.9 ms', 'avg_note': 'vs the 90 d before', 'failing_note': '999,999 of 9,999,999, limit 5.0 %',
    };
    const texts = Object.entries(widest).flatMap(([key, text]) =>
        [...document.querySelectorAll(`.kpis [data-k='${key}']`)].map(place => (place.textContent = text, place)));
    return texts.length < 2 ? ['no tile has a comparison'] : texts.filter(place => {
        const range = document.createRange();
        range.selectNodeContents(place);
        const [text, tile] = [range, place.closest('.kpi')].map(box => box.getBoundingClientRect());
        return text.width > 0 && (text.left < tile.left || text.right > tile.right || text.bottom > tile.bottom);
    }).map(place => `${place.textContent} is not inside its tile`);";

#[test]
fn the_widest_comparison_fits_its_tile() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    let mut wrong = Vec::new();
    for page in ["/".to_owned(), format!("/endpoints/{}", mesh.ids[0])] {
        mesh.open(&browser, &page);
        // No later update changes the texts.
        browser.look_as(1440, 900, Scheme::Light);
        eventually(SOON, || browser.click("#pause"));
        eventually(SOON, || {
            let pulse = browser.text("#pulse .word")?;
            ensure!(pulse == "Paused", "{pulse}");
            Ok(())
        });
        browser.script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))").unwrap();
        for width in WIDTHS {
            browser.look_as(width, 900, Scheme::Light);
            let outside = browser.script(WIDEST).unwrap();
            let outside = outside.as_array().into_iter().flatten().map(ToString::to_string);
            let cut = outside.chain(faults(&browser, width)).chain(cut_off(&browser));
            wrong.extend(cut.map(|fault| format!("{page} at {width} px: {fault}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn between_a_phone_and_a_desk_no_page_is_wider_than_its_window() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    let mut wrong = Vec::new();
    for page in ["/", "/pods", "/map", "/notices", "/audit", "/tap"] {
        mesh.open(&browser, page);
        wrong.extend((721..=800).flat_map(|width| faults(&browser, width)).map(|fault| format!("{page}: {fault}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_navigation_fits_a_phone_without_scrolling() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    mesh.open(&browser, "/");
    for width in [320, 345, 390] {
        browser.look_as(width, 800, Scheme::Light);
        let over = browser.script("const nav = document.querySelector('.nav'); return nav.scrollWidth - nav.clientWidth");
        assert!(over.unwrap().as_i64() <= Some(0), "the navigation is too wide at {width} px");
    }
}

#[test]
fn the_whole_map_is_in_sight_at_1280_px() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    mesh.open(&browser, "/map");
    browser.look_as(1280, 900, Scheme::Light);
    let beside = "const frame = document.querySelector('.map').getBoundingClientRect();
        return [...document.querySelectorAll('.map .node')].filter(box => box.getBoundingClientRect().right > frame.right).length";
    assert_eq!(browser.script(beside).unwrap(), 0, "boxes are cut off");
}
