//! Browser test of keyboard use: find an endpoint, turn it off with a reason, read the receipts, turn it on again.

use anyhow::{Result, ensure};
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const SPACE: &str = " ";

/// The focused element by id, label or text. Reports it if it is out of view or its focus is not visible.
fn focused(browser: &Browser) -> Result<String> {
    let script = "
        const at = document.activeElement, box = at.getBoundingClientRect();
        if (at === document.body) return 'LOST';
        const holder = at.closest('label') ?? at;
        const shows = [at, at.nextElementSibling, holder].filter(Boolean).some(one => {
            const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
            return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
        });
        if (!shows) return `UNSEEN ${at.outerHTML.slice(0, 120)}`;
        if (box.bottom < 0 || box.top > innerHeight) return `OUT OF SIGHT ${at.outerHTML.slice(0, 120)}`;
        return at.id || at.getAttribute('aria-label') || at.textContent.trim() || at.outerHTML.slice(0, 120);";
    Ok(browser.script(script)?.as_str().unwrap_or_default().to_owned())
}

/// Presses Tab until the wanted element has the focus, and returns the elements on the way.
#[track_caller]
fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    let mut way = Vec::new();
    for _ in 0..60 {
        let now = focused(browser).expect("the page is there");
        assert!(!now.starts_with("UNSEEN") && !now.starts_with("OUT OF SIGHT"), "{now}, after {way:?}");
        if now.contains(wanted) {
            return way;
        }
        way.push(now);
        browser.press(TAB).expect("a key can be pressed");
    }
    panic!("{wanted} is not reached: {way:?}");
}

fn says(browser: &Browser, selector: &str, words: &str) {
    eventually(SOON, || {
        let text = browser.text(selector)?;
        ensure!(text.contains(words), "{selector} says {text:?}, not {words:?}");
        Ok(())
    });
}

#[test]
fn an_endpoint_is_turned_off_and_taken_back_without_a_mouse() {
    let mesh = SmallMesh::start("orders", 2);
    mesh.pods.iter().for_each(|pod| drop(pod.get("/export")));
    mesh.pods[0].get("/orders/1");
    mesh.api().expect_hits("orders", 3);
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    says(&browser, "#pulse .word", "Live");

    // The first stop is a skip link past the navigation; focus is visible at every stop.
    browser.press(TAB).unwrap();
    assert_eq!(focused(&browser).unwrap(), "Skip to content");
    tab_to(&browser, "find");
    browser.press("export").unwrap();
    eventually(SOON, || {
        let rows = browser.script("return document.querySelectorAll('#rows tr[id]:not([hidden])').length")?;
        ensure!(rows == 1, "{rows} rows");
        Ok(())
    });
    tab_to(&browser, "GET /export");
    browser.press(SPACE).unwrap();
    eventually(SOON, || {
        let at = focused(&browser)?;
        ensure!(at == "reason", "the focus is on {at}");
        Ok(())
    });
    browser.press("the disk is full").unwrap();
    let way = tab_to(&browser, "go");
    assert!(!way.iter().any(|at| at == "LOST"), "{way:?}");
    browser.press(ENTER).unwrap();

    // The receipts appear; then the command is reverted from the same place, and the focus is kept.
    says(&browser, "dialog[open] h2", "Off on 2 pods");
    eventually(SOON, || {
        let receipts = browser.text("#acks")?;
        ensure!(receipts.matches("applied in").count() == 2, "{receipts}");
        Ok(())
    });
    let way = tab_to(&browser, "Close");
    assert!(!way.iter().any(|at| at == "LOST"), "{way:?}");
    browser.press_escape().unwrap();
    eventually(SOON, || {
        let at = focused(&browser)?;
        ensure!(at.contains("GET /export"), "after the dialog the focus is on {at}");
        Ok(())
    });
    eventually(SOON, || {
        let now = browser.attribute("#rows .sw[aria-label*='/export']", "data-switch")?;
        ensure!(now == "off", "the switch is {now}");
        Ok(())
    });
    browser.press(SPACE).unwrap();
    says(&browser, "#toast span", "GET /export is on again");
    assert!(focused(&browser).unwrap().contains("GET /export"), "the focus stays on the switch");
    tab_to(&browser, "undo");
    browser.press(ENTER).unwrap();
    says(&browser, "dialog[open] h2", "Off on 2 pods");
    tab_to(&browser, "take-back");
    browser.press(ENTER).unwrap();
    says(&browser, "#toast span", "GET /export is on again");
    assert_eq!(mesh.pods[0].get("/export").status(), 200);
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
