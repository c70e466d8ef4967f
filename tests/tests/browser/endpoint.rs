//! Browser test of an endpoint's page: charts, requests, copying a request, pinning its route, and the live tap.

use anyhow::{Result, ensure};
use scenario::accessibility::assert_no_barriers;
use scenario::browser::{Browser, Scheme};
use scenario::demo::Demo;
use scenario::disable_dialog;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// The id of the endpoint with this method and route, once it has been called.
#[track_caller]
fn endpoint_of(api: &scenario::api::Api, method: &str, route: &str) -> String {
    eventually(SOON * 2, || {
        let rows = api.endpoints()?;
        let found = rows.iter().find(|row| row["method"] == method && row["route"] == route && row["hits"] != 0);
        let id = found.and_then(|row| row["id"].as_str().map(str::to_owned));
        id.ok_or_else(|| anyhow::anyhow!("{method} {route} is not among {} rows", rows.len()))
    })
}

/// The number of rectangles in the heatmap, counted in its paths.
fn cells(browser: &Browser) -> Result<u64> {
    let script = "return [...document.querySelectorAll('[data-cells=heatmap] > path[class^=h]:not(.halo)')]
        .reduce((sum, path) => sum + (path.getAttribute('d').match(/M/g) ?? []).length, 0)";
    Ok(browser.script(script)?.as_u64().unwrap_or(0))
}

#[test]
fn the_charts_show_traffic_and_are_accessible() {
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
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn three_routes_become_one_after_a_preview() {
    let mesh = SmallMesh::start("people", 2);
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

    eventually(SOON, || browser.click(&format!("a[href='../endpoints/{id}/pin']")));
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

    // The pin can be removed on the same page.
    eventually(SOON, || browser.click("a[href$='/pin']"));
    eventually(SOON, || browser.click("#pins button"));
    eventually(SOON, || {
        let pins = browser.text("#pins")?;
        ensure!(pins.contains("None."), "{pins}");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn the_page_moves_and_marks_what_was_commanded() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    let id = endpoint_of(&demo.api(), "GET", "/legacy/export");
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/endpoints/{id}?window=1m", demo.http_port));
    let moving =
        || Ok(format!("{} {}", browser.text(".kpi dd[data-k=hits]")?, browser.attribute("[data-cells=heatmap]", "aria-label")?));
    let before = eventually(SOON, moving);
    eventually(SOON, || {
        let now = moving()?;
        ensure!(now != before, "the page still says {now}");
        Ok(())
    });

    // When the endpoint is turned off, the page shows it on the switch, in the card, and on the chart.
    eventually(SOON, || browser.click("#turn"));
    disable_dialog::give_reason(&browser, "the export fills the disk");
    disable_dialog::confirm(&browser);
    eventually(SOON, || {
        let output = browser.text("dialog[open] h2")?;
        ensure!(output == "Off on 2 pods", "{output}");
        Ok(())
    });
    eventually(SOON, || browser.click("dialog[open] .df button:last-child"));
    eventually(SOON, || {
        let (switch, card) = (browser.text("main button[role=switch]")?, browser.text("[data-cells=rule]")?);
        ensure!(switch.starts_with("Off") && card.contains("the export fills the disk"), "{switch}, {card}");
        let marks = browser.text(".marks")?;
        ensure!(marks.contains("turned off on all pods by operator: the export fills the disk"), "{marks}");
        Ok(())
    });
    assert_no_barriers(&browser, "the page of an endpoint that is off");
    // The button to turn it off is hidden while it is off; if clicked nonetheless, it must not turn it on.
    let shown = "return getComputedStyle(document.querySelector('#turn')).display";
    assert_eq!(browser.script(shown).unwrap(), "none");
    browser.script("document.querySelector('#turn').click()").unwrap();
    eventually(SOON, || {
        let asks = browser.text("dialog[open] h2")?;
        ensure!(asks == "Turn off this endpoint?", "{asks}");
        Ok(())
    });
    eventually(SOON, || browser.click("dialog[open] .df [data-close]"));
    assert_eq!(browser.attribute("main button[role=switch]", "data-switch").unwrap(), "off");

    eventually(SOON, || browser.click("main button[role=switch]"));
    eventually(SOON, || {
        let marks = browser.text(".marks")?;
        ensure!(marks.contains("turned on again by operator"), "{marks}");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn requests_are_followed_until_the_reader_turns_to_them_and_can_be_copied() {
    let mesh = SmallMesh::start("people", 1);
    mesh.pods[0].get("/users/1?q=it's");
    let id = endpoint_of(&mesh.api(), "GET", "/users/{id}");
    let browser = Browser::start();
    browser.look_as(1440, 2400, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/endpoints/{id}", mesh.control_plane.http_port));
    let first_path = || browser.text("[data-cells=request-0] [data-k=path]");
    eventually(SOON, || {
        ensure!(first_path()? == "/users/1", "{}", first_path()?);
        Ok(())
    });

    mesh.pods[0].get("/users/2");
    eventually(SOON, || {
        ensure!(first_path()? == "/users/2", "{}", first_path()?);
        Ok(())
    });

    // Rows with which the user interacts keep their place.
    eventually(SOON, || browser.click("[data-cells=request-0] summary"));
    let command = browser.text("[data-cells=request-0] code").unwrap();
    assert_eq!(command, "curl -i --globoff --path-as-is 'http://people/users/2'");
    eventually(SOON, || browser.click("[data-cells=request-0] details button"));
    eventually(SOON, || {
        let said = browser.script("return document.getElementById('say').textContent")?;
        ensure!(said == "Copied.", "{said}");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn hostile_paths_are_shown_as_they_are() {
    let mesh = SmallMesh::start("people", 1);
    let hostile = "/%3Cimg%20src=x%20onerror=alert(1)%3E';alert(2);'/%E2%80%AEgpj.exe/%FF%FE";
    mesh.pods[0].get(hostile);
    mesh.pods[0].get(&format!("/{}", "long".repeat(2500)));
    let rows = eventually(SOON, || {
        let rows = mesh.api().endpoints()?;
        ensure!(rows.iter().filter(|row| row["hits"] != 0).count() >= 2, "{rows:?}");
        Ok(rows)
    });
    let browser = Browser::start();
    for row in &rows {
        let id = row["id"].as_str().unwrap();
        for page in [format!("/endpoints/{id}"), format!("/endpoints/{id}/pin")] {
            browser.open(&format!("http://127.0.0.1:{}{page}", mesh.control_plane.http_port));
            let html = mesh.api().page(&page).unwrap();
            assert!(!html.contains("<img src=x") && !html.contains('\u{202e}'), "{page}");
            assert_no_barriers(&browser, &page);
        }
    }
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn a_tap_shows_live_requests() {
    let mesh = SmallMesh::start("people", 2);
    let browser = Browser::start();
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/tap?service=people&route=/users/*", mesh.control_plane.http_port));
    eventually(SOON, || {
        let pods = browser.text("#tap-pods")?;
        ensure!(pods == "2 pods are tapped", "{pods}");
        Ok(())
    });
    mesh.pods[0].get("/about");
    mesh.pods[0].get("/users/1");
    mesh.pods[1].get("/users/2");
    let paths = || browser.script("return [...document.querySelectorAll('#tapped [data-k=path]')].map(path => path.textContent)");
    eventually(SOON, || {
        let paths = paths()?;
        let mut shown: Vec<_> = paths.as_array().into_iter().flatten().filter_map(|path| path.as_str()).collect();
        shown.sort_unstable();
        ensure!(shown == ["/users/1", "/users/2"], "{shown:?}");
        Ok(())
    });
    assert_no_barriers(&browser, "the tap");

    // During a pause, events are held and counted.
    eventually(SOON, || browser.click("#pause"));
    mesh.pods[0].get("/users/3");
    eventually(SOON, || {
        let pulse = browser.text("#pulse")?;
        ensure!(pulse.contains("Paused") && pulse.contains("1 held"), "{pulse}");
        Ok(())
    });
    assert_eq!(paths().unwrap().as_array().map(Vec::len), Some(2));
    eventually(SOON, || browser.click("#pause"));
    eventually(SOON, || {
        let paths = paths()?;
        ensure!(paths[0] == "/users/3", "{paths}");
        Ok(())
    });

    // The number of rows is bounded.
    eventually(SOON, || {
        // A few at a time: a tap forwards a limited number per second, and counts the rest.
        (0..10).for_each(|at| drop(mesh.pods[0].get(&format!("/users/{at}"))));
        let seen = browser.text("#tap-shown")?;
        let seen: usize = seen.split(' ').next().unwrap_or_default().replace(',', "").parse()?;
        ensure!(seen > 220, "{seen} seen");
        Ok(())
    });
    assert_eq!(paths().unwrap().as_array().map(Vec::len), Some(200));

    // A hidden page has no open tap.
    let hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))";
    browser.script(hide).unwrap();
    eventually(SOON, || {
        let metrics = mesh.api().page("/metrics")?;
        ensure!(metrics.contains("sitio_taps_open 0"), "a tap is open");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn a_tab_that_is_opened_in_the_background_waits_until_it_is_looked_at() {
    let mesh = SmallMesh::start("people", 1);
    let browser = Browser::start();
    browser.before_each_page("Object.defineProperty(document, 'hidden', { get: () => !window.isLookedAt })");
    browser.open(&format!("http://127.0.0.1:{}/tap?service=people", mesh.control_plane.http_port));
    browser.script("return fetch('/livez').then(answer => answer.status)").unwrap();
    assert!(mesh.api().page("/metrics").unwrap().contains("sitio_taps_open 0"), "a tap is open");
    browser.script("window.isLookedAt = true; document.dispatchEvent(new Event('visibilitychange'))").unwrap();
    eventually(SOON, || {
        let metrics = mesh.api().page("/metrics")?;
        ensure!(metrics.contains("sitio_taps_open 1"), "no tap is open");
        Ok(())
    });
}
