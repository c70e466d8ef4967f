//! Browser test of the layout of every page at every width, with the longest possible names.
//!
//! Nothing is wider than the window, nothing is cut off, and every switch is visible.

use anyhow::ensure;
use scenario::accessibility::cut_off;
use scenario::browser::{Browser, Scheme};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

/// Phones, widths around the breakpoints of the style sheet, and desktop screens.
const WIDTHS: [u32; 14] = [320, 345, 390, 480, 481, 720, 940, 941, 1024, 1180, 1280, 1440, 1920, 2560];

/// The longest name in bytes.
const NAME: usize = 253;

/// Finds layout faults in a window of `WIDTH`: a page that is too wide, and switches that are not visible.
const FAULTS: &str = "
    const wide = document.documentElement.scrollWidth;
    const faults = wide > WIDTH ? [`the page is ${wide} px wide`] : [];
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
        let start = |service: String, namespace: String, pod: String| {
            let plan = Sidecar::builder(origin.port()).named(&service, &pod).with("POD_NAMESPACE", &namespace);
            plan.with("NODE_NAME", &letters("node", NAME)).reports_to(control_plane.grpc_port).start()
        };
        let sidecars = vec![
            start(letters("service", 63), letters("namespace", 63), letters("pod", NAME)),
            start(letters("longest", 250), "default".into(), "short".into()),
        ];
        for sidecar in &sidecars {
            for target in ["/short".to_owned(), path(114), path(250)] {
                sidecar.get(&target);
            }
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

    /// Opens a page, and waits until it is live.
    fn open(&self, browser: &Browser, page: &str) {
        browser.open(&format!("http://127.0.0.1:{}{page}", self.control_plane.http_port));
        eventually(SOON, || {
            let pulse = browser.script("return document.body.dataset.pulse ?? document.body.dataset.live")?;
            ensure!(pulse != "yes", "it is not live yet");
            Ok(())
        });
    }

    fn pages(&self) -> Vec<String> {
        let pages = ["/", "/pods", "/map", "/audit", "/tap", "/nowhere"].into_iter().map(str::to_owned);
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
fn between_a_phone_and_a_desk_no_page_is_wider_than_its_window() {
    let (mesh, browser) = (LongNames::start(), Browser::start());
    let mut wrong = Vec::new();
    for page in ["/", "/pods", "/map", "/audit", "/tap"] {
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
