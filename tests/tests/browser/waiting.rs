//! Browser test of loading states: placeholders appear for data loaded on demand, but only after a short delay.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// Delays every fetch response and every whole stream message until `letThem` is called; `letNewest` releases the
/// latest request. The page's clock and timeouts are stopped, so that no request times out and no connection is taken
/// for lost.
const SLOW: &str = "
    const now = Date.now();
    Date.now = () => now;
    AbortSignal.timeout = () => new AbortController().signal;
    let waiting = [];
    window.letThem = () => { waiting.forEach(go => go()); waiting = []; };
    window.letNewest = () => waiting.pop()();
    window.underWay = () => waiting.length;
    const held = () => new Promise(go => waiting.push(go));
    const real = window.fetch;
    window.fetch = async (...asked) => { await held(); return real(...asked); };
    const listen = MessagePort.prototype.addEventListener;
    MessagePort.prototype.addEventListener = function (name, take) {
        listen.call(this, name, async event => { if (window.isSlow) await held(); take(event); });
    };";

const SWITCH: &str = "button[role=switch][aria-label^='GET /export']";

const OTHER_SWITCH: &str = "button[role=switch][aria-label^='GET /import']";

/// A browser on the live overview, with delayed responses.
fn slow_browser(mesh: &SmallMesh) -> Browser {
    let browser = Browser::start();
    browser.before_each_page(SLOW);
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    is(&browser, "live", "document.body.dataset.pulse === 'live'");
    browser
}

/// Opens the dialog, whose numbers have not arrived yet.
fn open_dialog(browser: &Browser) {
    eventually(SOON, || browser.click(SWITCH));
    is(browser, "a dialog that waits", "document.querySelector('#off[open]')?.ariaBusy === 'true'");
}

fn is(browser: &Browser, what: &str, script: &str) {
    eventually(SOON, || {
        ensure!(browser.script(&format!("return {script}"))? == true, "not yet: {what}");
        Ok(())
    });
}

#[test]
fn the_shape_of_what_is_to_come_is_shown_until_it_comes() {
    let mesh = SmallMesh::start("orders", 2);
    mesh.pods[0].get("/export");
    mesh.api().expect_hits("orders", 1);
    let browser = slow_browser(&mesh);

    // The dialog opens without its numbers, cannot be submitted, and fills when they arrive.
    open_dialog(&browser);
    assert_eq!(browser.script("return document.getElementById('go').disabled").unwrap(), true);
    assert_no_barriers(&browser, "a dialog that waits");
    browser.type_into("#reason", "the disk is full").unwrap();
    browser.script("document.querySelector('#off [name=ttl][value=\"4h\"]').click(); return 1").unwrap();
    assert_eq!(browser.script("return document.getElementById('go').disabled").unwrap(), true, "it cannot be sent yet");
    browser.script("letThem(); return 1").unwrap();
    is(&browser, "a dialog that is whole", "document.querySelector('#off[open]')?.ariaBusy === null");
    assert!(browser.text("#go").unwrap().starts_with("Turn off on 2 pods"));
    let reason = browser.script("return document.getElementById('reason').value").unwrap();
    assert_eq!(reason, "the disk is full", "what is typed meanwhile stays");
    assert_eq!(browser.script("return document.querySelector('#off [name=ttl]:checked').value").unwrap(), "4h");

    // A dialog that is closed before its numbers arrive stays closed.
    browser.press_escape().unwrap();
    open_dialog(&browser);
    browser.press_escape().unwrap();
    browser.script("letThem(); return 1").unwrap();
    is(&browser, "a dialog that is closed", "document.getElementById('off').ariaBusy === null");
    assert_eq!(browser.script("return document.querySelectorAll('dialog[open]').length").unwrap(), 0);

    // For another window the table shows a loading state: the old numbers would be mistaken for the new ones.
    browser.script("window.isSlow = true; document.querySelector('[name=window][value=\"1m\"]').click(); return 1").unwrap();
    is(&browser, "a table that waits", "document.getElementById('main').ariaBusy === 'true'");
    browser.script("window.isSlow = false; letThem(); return 1").unwrap();
    is(&browser, "a table that is whole", "document.getElementById('main').ariaBusy === null");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn a_later_request_for_another_view_wins() {
    let mesh = SmallMesh::start("orders", 1);
    mesh.pods[0].get("/export");
    mesh.pods[0].get("/import");
    mesh.api().expect_hits("orders", 2);
    let browser = slow_browser(&mesh);

    // The first response is slow, and its dialog is closed; the second arrives before the loading state shows.
    open_dialog(&browser);
    browser.press_escape().unwrap();
    let quickly = format!("document.querySelector(\"{OTHER_SWITCH}\").click(); letNewest(); return 1");
    browser.script(&quickly).unwrap();
    is(
        &browser,
        "the dialog of the second",
        "document.querySelector('#off[open] [data-k=endpoint]')?.textContent.includes('/import')",
    );
    assert_eq!(browser.script("return document.getElementById('off').ariaBusy").unwrap(), serde_json::Value::Null);

    // The response to the first request arrives last and is discarded.
    browser.script("letThem(); return 1").unwrap();
    is(&browser, "answered", "underWay() === 0");
    assert!(browser.text("#off [data-k=endpoint]").unwrap().contains("/import"));
    browser.press_escape().unwrap();
    assert_eq!(browser.script("return document.querySelectorAll('dialog[open]').length").unwrap(), 0);
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
