//! A person looks at one endpoint: its charts move, its requests can be asked again, its route can be pinned.

use anyhow::{Result, ensure};
use scenario::browser::{Browser, Scheme};
use scenario::demo::Demo;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// The sizes and schemes in which the pages must be in order.
const LOOKS: [(u32, u32, Scheme); 4] =
    [(1440, 900, Scheme::Light), (1440, 900, Scheme::Dark), (390, 844, Scheme::Light), (390, 844, Scheme::Dark)];

/// The page of the demo's endpoint with this method and route, once it has been called.
#[track_caller]
fn endpoint_of(api: &scenario::api::Api, method: &str, route: &str) -> String {
    eventually(SOON * 2, || {
        let rows = api.endpoints()?;
        let found = rows.iter().find(|row| row["method"] == method && row["route"] == route && row["hits"] != 0);
        let id = found.and_then(|row| row["id"].as_str().map(str::to_owned));
        id.ok_or_else(|| anyhow::anyhow!("{method} {route} is not among {} rows", rows.len()))
    })
}

#[track_caller]
fn assert_no_barriers(browser: &Browser, page: &str) {
    for (width, height, scheme) in LOOKS {
        browser.look_as(width, height, scheme);
        let faults = browser.axe();
        assert!(faults.is_empty(), "{page} at {width}x{height}, {scheme:?}:\n{}", faults.join("\n"));
    }
    // 400 % zoom of a window of 1280 points: nothing may need to be scrolled in two directions (WCAG 2.2, 1.4.10).
    browser.look_as(320, 256, Scheme::Light);
    let excess = browser
        .script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        .expect("the page is there");
    assert!(excess.as_i64().is_some_and(|excess| excess <= 0), "{page} is {excess} wider than a window at 400 %");
    browser.look_as(1440, 900, Scheme::Light);
}

/// How many rectangles the heatmap has, by its paths.
fn cells(browser: &Browser) -> Result<u64> {
    let script = "return [...document.querySelectorAll('[data-cells=heatmap] > path[class^=h]:not(.halo)')]
        .reduce((sum, path) => sum + (path.getAttribute('d').match(/M/g) ?? []).length, 0)";
    Ok(browser.script(script)?.as_u64().unwrap_or(0))
}

#[test]
fn the_charts_show_what_happens_and_nobody_is_locked_out() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    let id = endpoint_of(&demo.api(), "GET", "/legacy/export");
    browser.look_as(1440, 900, Scheme::Light);
    let address = format!("http://127.0.0.1:{}/endpoints/{id}?window=1m", demo.http_port);

    eventually(SOON, || {
        browser.open(&address);
        let count = cells(&browser)?;
        ensure!(count >= 3, "{count} cells");
        Ok(())
    });

    let summary = browser.attribute("[data-cells=heatmap]", "aria-label").unwrap();
    assert!(summary.starts_with("Latency heatmap, ") && summary.contains(" take "), "{summary}");
    let pods = browser.text("[aria-labelledby=pp-t] tbody").unwrap();
    assert!(pods.contains("legacy-6c9f7d5b8-2kqxz") && pods.contains("legacy-6c9f7d5b8-8vw4n"), "{pods}");
    assert!(browser.text("[data-cells=response-0]").unwrap().contains("200 OK"));
    assert_no_barriers(&browser, "the endpoint's page");
    for shown in ["slowest", "failures"] {
        browser.open(&format!("{address}&history={shown}"));
        assert_no_barriers(&browser, shown);
    }
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn three_routes_become_one_after_a_preview() {
    let mesh = SmallMesh::of("people", 2);
    for name in ["anna", "bruno", "carla"] {
        mesh.pods.iter().for_each(|pod| drop(pod.get(&format!("/users/{name}"))));
    }
    let id = endpoint_of(&mesh.api(), "GET", "/users/carla");
    eventually(SOON, || {
        let hits: u64 = mesh.api().endpoints()?.iter().filter_map(|row| row["hits"].as_u64()).sum();
        ensure!(hits == 6, "{hits}");
        Ok(())
    });
    let browser = Browser::start();
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/endpoints/{id}", mesh.control_plane.http_port));

    eventually(SOON, || browser.click(&format!("a[href='/endpoints/{id}/pin']")));
    let suggested = eventually(SOON, || browser.script("return document.getElementById('pattern').value"));
    assert_eq!(suggested, "/users/{id}");
    eventually(SOON, || browser.click("main form[method=get] button"));

    let preview = eventually(SOON, || browser.text("#preview"));
    assert!(preview.contains("3 rows with 6 hits become 1 row"), "{preview}");
    for name in ["anna", "bruno", "carla"] {
        assert!(preview.contains(&format!("/users/{name}")), "{preview}");
    }
    assert_no_barriers(&browser, "the preview");
    eventually(SOON, || browser.click("#pin"));

    eventually(SOON, || {
        let heading = browser.text("h1")?;
        ensure!(heading == "/users/{id}", "{heading}");
        Ok(())
    });
    let rows = mesh.api().endpoints().unwrap();
    let folded = rows.iter().find(|row| row["route"] == "/users/{id}").expect("the folded row is there");
    assert_eq!(folded["hits"], 6, "no total has changed");

    // It can be taken back where it was made.
    eventually(SOON, || browser.click("a[href$='/pin']"));
    eventually(SOON, || browser.click("#pins button"));
    eventually(SOON, || {
        let pins = browser.text("#pins")?;
        ensure!(pins.contains("None."), "{pins}");
        Ok(())
    });
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}
