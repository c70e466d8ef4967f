//! Browser test of the pods page: live updates, joining and silent pods, groups, and the CSV file.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::{Browser, Scheme};
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// Chooses a group as with the keyboard: the native list has no element that the driver can click.
const CHOOSE_SERVICE: &str = "const list = document.querySelector('select[name=group]'); list.value = 'service'; \
    list.dispatchEvent(new Event('input', {bubbles: true})); return 1";

fn says(browser: &Browser, selector: &str, words: &str) {
    eventually(SOON, || {
        let text = browser.text(selector)?;
        ensure!(text.contains(words), "{selector} says {text:?}, not {words:?}");
        Ok(())
    });
}

#[test]
fn it_shows_which_pods_report_and_which_do_not() {
    let mut mesh = SmallMesh::start("orders", 2);
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/pods", mesh.control_plane.http_port));
    says(&browser, "#pulse .word", "Live");
    says(&browser, "#rows", "orders-0");
    says(&browser, "tr:has(a[href='./?service=orders']):first-child .state-s", "Reporting");
    assert_no_barriers(&browser, "the pods");

    // A pod that joins appears at once, and confirms the current rules.
    mesh.api().turn_off("orders", "GET /export", "1h");
    mesh.pods.push(mesh.another_pod("orders-2"));
    says(&browser, "#rows", "orders-2");
    says(&browser, "#rows tr:has(a):nth-child(3) td:last-child", "#1 in");
    says(&browser, ".kpis", "all have the newest rules");

    // A frozen pod becomes silent; the tab's title and icon show it too.
    mesh.pods[2].process.signal(Signal::STOP);
    says(&browser, "#rows tr:first-child .state-s", "Silent");
    says(&browser, ".kpis", "1 silent for");
    eventually(SOON, || {
        let title = browser.script("return document.title")?;
        ensure!(title == "(1) Pods · Sitio", "{title}");
        let icon = browser.script("return document.querySelector('link[rel=icon]').getAttribute('href')")?;
        ensure!(icon == "static/mark-warn.svg", "{icon}");
        Ok(())
    });
    browser.click(".chips label:has(input[value=silent])").unwrap();
    eventually(SOON, || {
        let rows = browser.script("return document.querySelectorAll('#rows tr').length")?;
        ensure!(rows == 1, "{rows} rows");
        Ok(())
    });
    assert_eq!(browser.script("return location.search").unwrap(), "?show=silent");
    browser.type_into("#find", "missing").unwrap();
    says(&browser, "[data-when=filtered] h3", "No pod matches this filter");

    // The grouping is in the URL, and each group has a heading.
    browser.open(&format!("http://127.0.0.1:{}/pods", mesh.control_plane.http_port));
    says(&browser, "#pulse .word", "Live");
    browser.script(CHOOSE_SERVICE).unwrap();
    says(&browser, "#rows tr.heading", "orders, 3 pods");
    assert_eq!(browser.script("return location.search").unwrap(), "?group=service");
    assert_no_barriers(&browser, "the pods in groups");
    for (width, height) in [(390, 844), (320, 568)] {
        browser.look_as(width, height, Scheme::Light);
        let seen = browser.script("return document.querySelector('select[name=group]').checkVisibility()").unwrap();
        assert_eq!(seen, true, "a phone of {width} pixels groups, too");
    }
    browser.look_as(1440, 900, Scheme::Light);

    let table = mesh.api().page("/pods.csv").unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.contains("orders-2,default,orders,"), "{table}");
    mesh.pods[2].process.signal(Signal::CONT);
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
