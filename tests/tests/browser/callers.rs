//! Browser test of callers: on an endpoint's page, in the dialog that turns it off, and on the map.

use std::net::Ipv4Addr;

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::client::Client;
use scenario::eventually::{SOON, eventually};
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;

const STOREFRONT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 31);

fn says(browser: &Browser, selector: &str, words: &[&str]) {
    eventually(SOON, || {
        // The driver does not return the text of SVG elements.
        let text = browser.script(&format!("return document.querySelector('{selector}').textContent"))?.to_string();
        for word in words {
            ensure!(text.contains(word), "{selector} says {text:?}, not {word:?}");
        }
        Ok(())
    });
}

#[test]
fn a_person_sees_who_calls_before_turning_it_off() {
    let mesh = SmallMesh::start("orders", 1);
    let plan = Sidecar::builder(mesh.origin.port()).named("storefront", "storefront-0").with("POD_IP", &STOREFRONT.to_string());
    let _storefront = plan.reports_to(mesh.control_plane.grpc_port).start();
    mesh.api().expect_pods(&["orders-0", "storefront-0"]);
    let call = |from: Ipv4Addr| Client::connect_from(from, mesh.pods[0].port).get("/export");
    (0..3).for_each(|_| drop(call(STOREFRONT)));
    mesh.api().expect_hits("orders", 3);
    let endpoints = mesh.api().endpoints().expect("the API answers");
    let row = endpoints.iter().find(|row| row["route"] == "/export").expect("it was called");
    let (browser, base) = (Browser::start(), format!("http://127.0.0.1:{}", mesh.control_plane.http_port));

    browser.open(&format!("{base}/endpoints/{}", row["id"].as_str().expect("a row has an id")));
    says(&browser, "[data-cells=caller-0]", &["storefront", "storefront-0", "3", "100"]);
    says(&browser, "main", &["Callers", "No commands recorded."]);
    // The table is live: a new caller appears without a reload.
    (0..2).for_each(|_| drop(call(Ipv4Addr::new(127, 0, 0, 99))));
    says(&browser, "[data-cells=caller-0]", &["storefront", "60"]);
    says(&browser, "[data-cells=caller-1]", &["127.0.0.99", "unknown caller", "40"]);
    assert_no_barriers(&browser, "the callers of an endpoint");

    browser.click("#turn").expect("there is a way to turn it off");
    says(&browser, "#callers", &["storefront", "60", "127.0.0.99", "40"]);
    assert_no_barriers(&browser, "the dialog with its callers");

    browser.open(&base);
    says(&browser, "main", &["all reporting"]);
    browser.open(&format!("{base}/map?window=1h"));
    says(&browser, "#rows", &["storefront", "orders", "Outside"]);
    says(&browser, ".map", &["storefront", "orders", "Outside"]);
    let lines = browser.script("return document.querySelectorAll('.way').length").expect("the page answers");
    assert_eq!(lines, 2, "one from the storefront, one from outside");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
