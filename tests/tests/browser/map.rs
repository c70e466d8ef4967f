//! Browser test of the map: services and live traffic, the table, and an update when a service joins.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;

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
fn it_shows_every_service_and_what_is_off() {
    let mesh = SmallMesh::start("orders", 1);
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/map?window=1h", mesh.control_plane.http_port));
    says(&browser, ".map", &["orders", "0/s"]);

    // Traffic appears on the edges and in the table at once.
    mesh.pods[0].get("/export");
    says(&browser, ".map", &["Outside", "orders", "/s"]);
    says(&browser, "#rows", &["Outside", "orders"]);
    assert_no_barriers(&browser, "the map");

    // A service that joins appears, and an edge with an endpoint that is off is broken.
    let joined =
        Sidecar::builder(mesh.origin.port()).named("search", "search-0").reports_to(mesh.control_plane.grpc_port).start();
    joined.get("/search");
    says(&browser, "#rows", &["orders", "search"]);
    says(&browser, ".map", &["orders", "search"]);
    mesh.api().turn_off("orders", "GET /export", "1h");
    says(&browser, ".map", &["1 of 1 endpoint off"]);
    eventually(SOON, || {
        let broken = browser.script("return document.querySelectorAll('.way[data-broken=yes]').length")?;
        ensure!(broken == 1, "{broken} lines are broken");
        Ok(())
    });

    // The CSV file has the same rows.
    let table = mesh.api().page("/map.csv?window=1h").unwrap();
    assert!(table.starts_with("caller_kind,caller_namespace,caller,namespace,service,rps,"), "{table}");
    assert!(table.contains("outside,,,default,orders,") && table.contains("outside,,,default,search,"), "{table}");

    // A node links to the endpoints of its service.
    browser.script("document.querySelector(\".map a[href*='service=search']\").dispatchEvent(new MouseEvent('click', {bubbles: true})); return 1").unwrap();
    eventually(SOON, || {
        let search = browser.script("return location.search")?;
        let leads = search.as_str().is_some_and(|search| search.contains("service=search") && search.contains("window=1h"));
        ensure!(leads, "it leads to {search}, and not to the service in the same window");
        ensure!(browser.text("#rows")?.contains("/search"), "the overview is not there");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
