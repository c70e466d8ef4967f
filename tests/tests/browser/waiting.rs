//! What is loaded on demand shows the shape of what is to come, but only when it takes longer than anybody waits unawares.

use anyhow::ensure;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::looks::assert_no_barriers;
use scenario::small_mesh::SmallMesh;

/// Every answer to a question of the script comes when `letThem` is called, and so does every whole message of a stream;
/// `letNewest` lets the one come that was asked for last. The page's own deadlines stand still meanwhile: however long a test
/// looks at what waits, no question is given up and no connection is taken for lost.
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

/// A browser that looks at the overview, live, and whose questions are answered slowly.
fn slow_browser(mesh: &SmallMesh) -> Browser {
    let browser = Browser::start();
    browser.before_each_page(SLOW);
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    is(&browser, "live", "document.body.dataset.pulse === 'live'");
    browser
}

/// Opens the dialog, whose numbers are not there yet.
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
    let mesh = SmallMesh::of("orders", 2);
    mesh.pods[0].get("/export");
    mesh.api().expect_hits("orders", 1);
    let browser = slow_browser(&mesh);

    // The dialog opens without its numbers, cannot be sent, and fills when they come.
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

    // Whoever closes it meanwhile is left alone.
    browser.press_escape().unwrap();
    open_dialog(&browser);
    browser.press_escape().unwrap();
    browser.script("letThem(); return 1").unwrap();
    is(&browser, "a dialog that is closed", "document.getElementById('off').ariaBusy === null");
    assert_eq!(browser.script("return document.querySelectorAll('dialog[open]').length").unwrap(), 0);

    // Numbers of another window: those of the old one would be taken for them.
    browser.script("window.isSlow = true; document.querySelector('[name=window][value=\"1m\"]').click(); return 1").unwrap();
    is(&browser, "a table that waits", "document.getElementById('main').ariaBusy === 'true'");
    browser.script("window.isSlow = false; letThem(); return 1").unwrap();
    is(&browser, "a table that is whole", "document.getElementById('main').ariaBusy === null");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn whoever_asks_for_another_one_meanwhile_gets_that_and_no_other() {
    let mesh = SmallMesh::of("orders", 1);
    mesh.pods[0].get("/export");
    mesh.pods[0].get("/import");
    mesh.api().expect_hits("orders", 2);
    let browser = slow_browser(&mesh);

    // The first one is slow, and is closed before it comes; the second one comes before anybody has noticed.
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

    // What was asked for first comes last, and nobody wants it any more.
    browser.script("letThem(); return 1").unwrap();
    is(&browser, "answered", "underWay() === 0");
    assert!(browser.text("#off [data-k=endpoint]").unwrap().contains("/import"));
    browser.press_escape().unwrap();
    assert_eq!(browser.script("return document.querySelectorAll('dialog[open]').length").unwrap(), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}
