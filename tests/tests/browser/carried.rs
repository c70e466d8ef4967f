//! Browser test: the chosen time window is kept across links to other pages.

use anyhow::ensure;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// Clicks a link, and waits until the URL has this path and query.
fn follow(browser: &Browser, link: &str, path: &str, query: &str) {
    eventually(SOON, || browser.click(link));
    eventually(SOON, || {
        let address = browser.script("return location.pathname + location.search")?;
        let address = address.as_str().unwrap_or_default();
        ensure!(address.starts_with(path) && address.ends_with(query), "it leads to {address}");
        Ok(())
    });
}

#[test]
fn the_window_is_carried_to_the_endpoint_and_the_map_and_back() {
    let mesh = SmallMesh::start("orders", 1);
    mesh.pods[0].get("/export");
    mesh.api().expect_hits("orders", 1);
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    eventually(SOON, || {
        ensure!(browser.script("return document.body.dataset.pulse")? == "live", "it is not live yet");
        Ok(())
    });
    eventually(SOON, || browser.click("label:has(input[name=window][value='1h'])"));
    eventually(SOON, || {
        ensure!(browser.attribute("#rows a.path", "href")?.ends_with("?window=1h"), "the rows lead to another window");
        Ok(())
    });

    follow(&browser, "#rows a.path", "/endpoints/", "?window=1h");
    assert_eq!(browser.text(".seg.links [data-window][aria-current]").unwrap(), "1 h");
    follow(&browser, ".nav [data-chord=m]", "/map", "?window=1h");
    follow(&browser, ".nav [data-chord=p]", "/pods", "?window=1h");
    follow(&browser, ".nav [data-chord=a]", "/audit", "?window=1h");
    follow(&browser, ".nav [data-chord=o]", "/", "?window=1h");
    assert_eq!(browser.script("return document.querySelector('[name=window]:checked').value").unwrap(), "1h");
    // The default window is not in the URL.
    eventually(SOON, || browser.click("label:has(input[name=window][value='5m'])"));
    follow(&browser, ".nav [data-chord=m]", "/map", "/map");

    // The tap shows single requests, and has no window.
    follow(&browser, ".nav [data-chord=t]", "/tap", "/tap");
    assert_eq!(browser.attribute(".nav [data-chord=t]", "aria-current").unwrap(), "page");
    follow(&browser, ".nav [data-chord=o]", "/", "/");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
