//! Browser test of the audit page: every command and refused attempt is listed at once, and can be reverted there.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;
use serde_json::json;

fn first_row_says(browser: &Browser, words: &[&str]) {
    eventually(SOON, || {
        let text = browser.text("#rows tr.heading:first-child + tr")?;
        for word in words {
            ensure!(text.contains(word), "{text:?} lacks {word:?}");
        }
        Ok(())
    });
}

#[test]
fn every_command_has_its_line_at_once() {
    let mesh = SmallMesh::start("orders", 2);
    let browser = Browser::start();
    browser.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": "Asia/Tokyo"}));
    browser.open(&format!("http://127.0.0.1:{}/audit", mesh.control_plane.http_port));
    eventually(SOON, || {
        ensure!(browser.text("[data-when=nothing] h3")? == "No command yet", "there is a command already");
        Ok(())
    });
    assert_no_barriers(&browser, "an audit log that is empty");

    // A command is listed with the pods' receipts, and can be reverted here.
    mesh.api().turn_off("orders", "GET /export", "1h");
    first_row_says(
        &browser,
        &["operator", "Turn off", "/export", "a scenario asks for it", "in 1 h", "2 of 2 pods", "#1", "Turn on"],
    );
    // Times are in the browser's time zone; in a page without script they are UTC.
    let zone = browser.text(".head .sub").unwrap();
    assert!(zone.ends_with("Times are in the zone Asia/Tokyo."), "{zone}");
    let output = browser.text("#rows tr.heading:first-child + tr .a-time").unwrap();
    let here = "return new Date(document.querySelector('#rows .a-time').title).toLocaleTimeString('en-GB')";
    assert_eq!(browser.script(here).unwrap(), output);
    assert!(mesh.api().page("/audit").unwrap().contains("Times are UTC."), "no zone was chosen");
    assert!(browser.text("#rows tr.heading").unwrap().starts_with("Today, "));
    assert_no_barriers(&browser, "the audit log");
    browser.click("#rows tr.heading + tr [data-ends]").unwrap();
    first_row_says(&browser, &["Turn on", "2 of 2 pods", "#2"]);
    eventually(SOON, || {
        let text = browser.text("#rows tr:last-child")?;
        ensure!(text.contains("withdrawn") && text.contains("2 of 2 pods"), "{text}");
        Ok(())
    });
    eventually(SOON, || {
        let toast = browser.text("#toast span")?;
        ensure!(toast.contains("GET /export is on again, 2 of 2 pods in "), "{toast}");
        Ok(())
    });

    // A refused attempt is listed too, and an expired rule shows the reason.
    let order = json!({"service": "orders", "method": "GET", "route": "/export", "action": {"disable": {"status": 200}}, "reason": "=1+1"});
    assert_eq!(mesh.api().order(&order).unwrap().0, 422);
    first_row_says(&browser, &["Refused", "the status must be one of"]);
    mesh.api().turn_off("orders", "GET /short", "1s");
    first_row_says(&browser, &["sitio", "Expired", "/short", "Time limit of 1s reached"]);

    // The filter is in the URL. The CSV file has all entries.
    browser.click(".chips label:has(input[value=refused])").unwrap();
    eventually(SOON, || {
        let rows = browser.script("return document.querySelectorAll('#rows tr:not(.heading)').length")?;
        ensure!(rows == 1, "{rows} rows");
        Ok(())
    });
    assert_eq!(browser.script("return location.search").unwrap(), "?show=refused");
    let table = mesh.api().page("/audit.csv").unwrap();
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(table.contains(",'=1+1,"), "a reason is no formula: {table}");
    let complaints = browser.console_messages();
    assert_eq!(complaints, Vec::<String>::new(), "the browser has nothing to complain of");
}
