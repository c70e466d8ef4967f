//! Browser test of a control plane restart: open pages show it, disable their switches, and recover by themselves.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::disable_dialog;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// The switch of the endpoint.
const SWITCH: &str = "#rows .sw[aria-label*='/export']";

/// What a page says about the last command: an open dialog, a failure, a result.
const MESSAGES: &str = "return [document.querySelector('dialog[open]')?.innerText, failed.hidden ? '' : failed.innerText,
    toast.hidden ? '' : toast.innerText]";

/// Reads an attribute of the switch. A row is painted only while it is on the screen, and banners move it away: so this
/// scrolls to it, and waits three frames, in which the page notices the row and paints it.
fn switch(browser: &Browser, attribute: &str) -> anyhow::Result<String> {
    let show = format!(
        "document.querySelector(\"{SWITCH}\")?.scrollIntoView({{ block: 'center' }});
        const frame = () => new Promise(requestAnimationFrame);
        return frame().then(frame).then(frame)"
    );
    browser.script(&show)?;
    browser.attribute(SWITCH, attribute)
}

fn is_checked(browser: &Browser, checked: &str) {
    eventually(SOON * 2, || {
        let now = switch(browser, "aria-checked")?;
        ensure!(now == checked, "the switch is {now}; the page shows {}", browser.script(MESSAGES)?);
        Ok(())
    });
}

fn word(browser: &Browser, word: &str) {
    eventually(SOON * 2, || {
        let now = browser.text("#pulse .word")?;
        ensure!(now == word, "the page says {now}");
        Ok(())
    });
}

#[test]
fn two_browsers_agree_also_after_a_restart() {
    let mut mesh = SmallMesh::start("orders", 1);
    mesh.pods[0].get("/export");
    let browsers = [Browser::start(), Browser::start()];
    for browser in &browsers {
        browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
        is_checked(browser, "true");
    }

    // A change in one browser appears in the other.
    let (one, other) = (&browsers[0], &browsers[1]);
    one.click(SWITCH).unwrap();
    disable_dialog::give_reason(one, "too slow");
    disable_dialog::confirm(one);
    is_checked(other, "false");
    eventually(SOON, || one.click("dialog[open] .df button:last-child"));
    is_checked(one, "false");

    // Without a control plane, both show the age of their numbers and disable their switches.
    mesh.control_plane.process.kill();
    for browser in &browsers {
        word(browser, "Reconnecting");
        eventually(SOON, || {
            let banner = browser.text("#lost")?;
            let counts = banner.contains("Trying again in ") || banner.contains("Trying again now.");
            ensure!(banner.contains("Live updates stopped") && counts, "the banner says {banner}");
            Ok(())
        });
        browser.script("document.getElementById('try-now').click()").unwrap();
        assert_eq!(switch(browser, "aria-disabled").unwrap(), "true");
        assert!(browser.script("return document.title").unwrap().as_str().unwrap().starts_with('⚠'));
    }
    // Known data stays on the page, even if another window is chosen; also after the delay of the loading state.
    let choose = "document.querySelector('[name=window][value=\"1h\"]').click();
        setTimeout(() => setTimeout(() => { window.isLater = true; }, 400)); return 1";
    one.script(choose).unwrap();
    eventually(SOON, || {
        ensure!(one.script("return window.isLater === true")? == true, "not yet");
        Ok(())
    });
    assert_eq!(one.script("return document.getElementById('main').ariaBusy").unwrap(), serde_json::Value::Null);
    assert_no_barriers(one, "a page without its control plane");

    // After the restart the pages recover: the rule is still in force.
    mesh.control_plane.restart();
    for browser in &browsers {
        word(browser, "Live");
        is_checked(browser, "false");
        eventually(SOON, || {
            ensure!(switch(browser, "aria-disabled")? == "false", "it is still disabled");
            // Until the pod is connected, the switch links to what it waits for and does not act.
            ensure!(switch(browser, "aria-busy")? == "false", "the rule waits for its pod");
            // Only then a click turns it on; before, it opens the progress of the rule.
            ensure!(switch(browser, "data-switch")? == "off", "the rule is not confirmed");
            Ok(())
        });
        assert!(!browser.script("return document.title").unwrap().as_str().unwrap().starts_with('⚠'));
    }
    other.click(SWITCH).unwrap();
    is_checked(one, "true");
}
