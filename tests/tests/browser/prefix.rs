//! Browser test: in the dialog of an endpoint, everything under a path is turned off, and its extent is shown before.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::{Browser, Scheme};
use scenario::disable_dialog;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

#[test]
fn a_prefix_is_turned_off_in_the_dialog_which_shows_what_it_covers() {
    let mesh = SmallMesh::start("orders", 2);
    for path in ["/orders/1", "/orders/1/lines", "/other"] {
        assert_eq!(mesh.pods[0].get(path).status(), 200);
    }
    mesh.api().expect_hits("orders", 3);
    let endpoints = mesh.api().endpoints().unwrap();
    let id = endpoints.iter().find(|row| row["route"] == "/orders/{id}").and_then(|row| row["id"].as_str()).unwrap();
    let browser = Browser::start();
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/endpoints/{id}", mesh.control_plane.http_port));

    eventually(SOON, || browser.click("#turn"));
    disable_dialog::give_reason(&browser, "the orders are wrong");
    assert_eq!(browser.text("#off [data-k=endpoint]").unwrap(), "GET /orders/{id}");
    let covered =
        || browser.script("return [...document.querySelectorAll('#reach li')].map(line => line.firstChild.textContent)");
    assert_eq!(covered().unwrap().as_array().map(Vec::len), Some(0), "it is the endpoint alone");
    eventually(SOON, || browser.click("#scopes label:has([value='/orders/*'])"));
    eventually(SOON, || {
        let (subject, covered) = (browser.text("#off [data-k=endpoint]")?, covered()?);
        ensure!(subject == "every endpoint under /orders/", "{subject}");
        let mut covered: Vec<_> = covered.as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        covered.sort_unstable();
        ensure!(covered == ["GET /orders/{id}", "GET /orders/{id}/lines"], "{covered:?}");
        ensure!(browser.text("#off .impact [data-k=hits]")? == "2", "the hits of both are not added up");
        Ok(())
    });
    assert_no_barriers(&browser, "the dialog of a prefix");

    // The reason that was typed before is kept.
    eventually(SOON, || {
        ensure!(browser.script("return document.getElementById('go').disabled")? == false, "it waits for the numbers");
        Ok(())
    });
    disable_dialog::confirm(&browser);
    eventually(SOON, || {
        let receipts = browser.text("#acks")?;
        ensure!(receipts.matches("applied in").count() == 2, "{receipts}");
        Ok(())
    });
    for pod in &mesh.pods {
        let statuses = ["/orders/1", "/orders/7/lines", "/orders/never/seen", "/other"].map(|path| pod.get(path).status());
        assert_eq!(statuses, [503, 503, 503, 200]);
    }
    let rules = mesh.api().json("/api/v1/rules").unwrap();
    assert_eq!(rules["rules"][0]["reason"], "the orders are wrong", "{rules}");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
