//! Browser test of the overview: live rows, filter and sort, keys, and the switch that turns an endpoint off and on.

use anyhow::{Result, ensure};
use scenario::accessibility::assert_no_barriers;
use scenario::browser::{Browser, Scheme};
use scenario::client::get;
use scenario::demo::Demo;
use scenario::disable_dialog;
use scenario::eventually::{SOON, eventually};

const SWITCH: &str = "button[role=switch][aria-label^='GET /legacy/export']";

fn overview(demo: &Demo, browser: &Browser, query: &str) {
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/{query}", demo.http_port));
    eventually(SOON * 2, || {
        let rows = browser.script("return document.querySelectorAll('#rows tr[id]').length")?.as_u64().unwrap_or(0);
        ensure!(rows >= if query.is_empty() { 12 } else { 1 }, "{rows} rows");
        browser.text(SWITCH)
    });
}

/// The text of all rows, to compare two states.
fn numbers(browser: &Browser) -> Result<String> {
    let script = "return [...document.querySelectorAll('#rows tr[id]')].map(row => row.textContent).sort().join('|')";
    Ok(browser.script(script)?.to_string())
}

/// The visible paths, from the top.
fn shown(browser: &Browser) -> Result<Vec<String>> {
    let script =
        "return [...document.querySelectorAll('#rows tr:not([hidden])')].map(row => row.querySelector('.path').textContent)";
    Ok(serde_json::from_value(browser.script(script)?)?)
}

fn says(browser: &Browser, selector: &str, words: &str) {
    eventually(SOON, || {
        let text = browser.text(selector)?;
        ensure!(text.contains(words), "{selector} says {text:?}, not {words:?}");
        Ok(())
    });
}

#[test]
fn it_updates_live_and_is_accessible() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    overview(&demo, &browser, "");

    let before = numbers(&browser).unwrap();
    eventually(SOON, || {
        let now = numbers(&browser)?;
        ensure!(now != before, "the rows have not moved");
        Ok(())
    });
    says(&browser, "#pulse .word", "Live");
    assert_no_barriers(&browser, "the overview");
    let endpoint = browser.script("return document.querySelector('#rows a').getAttribute('href')").unwrap();
    let endpoint = endpoint.as_str().expect("a row leads to its endpoint");
    browser.open(&format!("http://127.0.0.1:{}/{endpoint}", demo.http_port));
    assert_no_barriers(&browser, endpoint);
    browser.open(&format!("http://127.0.0.1:{}/{endpoint}?history=slowest", demo.http_port));
    let started = browser.text("#requests tbody tr:first-child time").unwrap();
    assert_eq!(started.len(), "14:07:41.126".len(), "{started} is exact to the millisecond, in the reader's own time");

    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn what_is_looked_at_is_in_the_address() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    overview(&demo, &browser, "");

    browser.type_into("#find", "/legacy").unwrap();
    browser.click("[data-cells=page] label:has(input[name=window][value='1m'])").unwrap();
    browser.click(".chips label:has(input[value=quiet])").unwrap();
    browser.click(".chips label:has(input[value=all])").unwrap();
    browser.click("th[data-a^='aria-sort=rps'] button").unwrap();

    eventually(SOON, || {
        let shown = shown(&browser)?;
        ensure!(!shown.is_empty() && shown.iter().all(|path| path.starts_with("/legacy")), "{shown:?}");
        ensure!(browser.attribute("th[data-a^='aria-sort=rps']", "aria-sort")? == "descending", "it is not sorted");
        ensure!(browser.text("th[data-cells=page]")?.contains("1 min"), "the window is another one");
        Ok(())
    });
    let address = browser.script("return location.search").unwrap();
    assert_eq!(address, "?window=1m&find=%2Flegacy&sort=rps%3Adown");

    // The same URL shows the same view in a new page load.
    overview(&demo, &browser, address.as_str().unwrap());
    assert!(shown(&browser).unwrap().iter().all(|path| path.starts_with("/legacy")));
    browser
        .script(
            "document.getElementById('find').value = 'chekout'; \
        document.getElementById('find').dispatchEvent(new Event('input')); return 1",
        )
        .unwrap();
    says(&browser, "[data-when=filtered] h3", "No endpoint matches “chekout”");
    assert_no_barriers(&browser, "an overview that shows nothing");
    browser.click("[data-when=filtered] a").unwrap();
    eventually(SOON, || {
        ensure!(shown(&browser)?.len() >= 12, "the filter is not cleared");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn it_can_be_paused_and_driven_by_keys_alone() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    overview(&demo, &browser, "");
    says(&browser, "#pulse .word", "Live");

    // During a pause nothing changes, and held updates are counted.
    browser.press("p").unwrap();
    says(&browser, "#pulse .word", "Paused");
    // An update that arrived before the pause is drawn in the next frame.
    browser.script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))").unwrap();
    let paused = numbers(&browser).unwrap();
    eventually(SOON, || {
        let held = browser.text("#pulse time")?;
        let count = held.strip_suffix(" held").and_then(|count| count.parse::<u64>().ok());
        ensure!(count >= Some(2), "{held}");
        Ok(())
    });
    assert_eq!(numbers(&browser).unwrap(), paused);
    browser.press("p").unwrap();
    says(&browser, "#pulse .word", "Live");
    eventually(SOON, || {
        ensure!(numbers(&browser)? != paused, "the rows have not moved");
        Ok(())
    });

    // Keys for rows, the search field, the list of keys, windows and pages; paused, so that the rows keep their order.
    browser.press("p").unwrap();
    says(&browser, "#pulse .word", "Paused");
    browser.press("j").unwrap();
    browser.press("j").unwrap();
    let second =
        browser.script("return document.activeElement === document.querySelectorAll('#rows tr:not([hidden])')[1]").unwrap();
    assert_eq!(second, true, "the second row has the focus");
    browser.press("k").unwrap();
    browser.press("x").unwrap();
    says(&browser, "dialog[open] h2", "Turn off this endpoint?");
    browser.press_escape().unwrap();
    browser.press("?").unwrap();
    says(&browser, "dialog[open] h2", "Keyboard shortcuts");
    assert_no_barriers(&browser, "the list of keys");
    browser.press_escape().unwrap();
    browser.press("1").unwrap();
    says(&browser, "th[data-cells=page]", "1 min");
    browser.press("/").unwrap();
    assert_eq!(browser.script("return document.activeElement.id").unwrap(), "find");
    browser.press("gp1").unwrap();
    assert_eq!(
        browser.script("return document.getElementById('find').value").unwrap(),
        "gp1",
        "keys are letters while one types"
    );
    browser.press_escape().unwrap();
    browser.press("g").unwrap();
    browser.press("a").unwrap();
    says(&browser, "h1", "Audit log");

    // Single-key shortcuts can be turned off.
    browser.click("#keys-open").unwrap();
    browser.click("label:has(#keys-on)").unwrap();
    browser.press_escape().unwrap();
    browser.press("?").unwrap();
    assert_eq!(browser.script("return document.querySelectorAll('dialog[open]').length").unwrap(), 0);
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn an_endpoint_is_turned_off_through_the_dialog_and_on_again() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    // Only one row, so that it is always on screen: rows off screen are not drawn, and rows move with their numbers.
    overview(&demo, &browser, "?find=legacy/export");
    assert!(browser.text(SWITCH).unwrap().starts_with("On"));
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 200);

    // The switch opens the dialog; only the reason must be typed; the button names its effect.
    eventually(SOON, || browser.click(SWITCH));
    disable_dialog::give_reason(&browser, "the export fills the disk");
    let standing = browser.text("#off .impact + .help").unwrap();
    assert!(standing.starts_with("As of ") && standing.ends_with("do not change while the dialog is open."), "{standing}");
    assert_eq!(browser.text("#off time[data-ms]").unwrap().len(), "14:07:41".len(), "it says of when the numbers are");
    assert_no_barriers(&browser, "the dialog");
    let button = disable_dialog::confirmation(&browser).unwrap();
    assert!(button.starts_with("Turn off on 2 pods"), "{button}");
    disable_dialog::confirm(&browser);

    // Each pod's receipt appears, with milliseconds.
    eventually(SOON, || {
        let receipts = browser.text("#acks")?;
        for pod in ["legacy-6c9f7d5b8-2kqxz", "legacy-6c9f7d5b8-8vw4n"] {
            ensure!(receipts.contains(pod), "{pod} is missing in {receipts}");
        }
        ensure!(receipts.matches("applied in").count() == 2, "{receipts}");
        Ok(())
    });
    assert_no_barriers(&browser, "the progress of turning off");
    for port in &demo.legacy_ports {
        let answer = get(*port, "/legacy/export");
        assert_eq!(answer.status(), 503, "{answer:?}");
    }

    // The switch shows what the pods have confirmed, and turns the endpoint on again; undo turns it off once more.
    eventually(SOON, || browser.click("dialog[open] .df button:last-child"));
    eventually(SOON, || {
        let words = browser.text(SWITCH)?;
        ensure!(words.starts_with("Off"), "the switch says {words}");
        ensure!(browser.attribute(SWITCH, "aria-checked")? == "false", "it is still checked");
        Ok(())
    });
    assert_no_barriers(&browser, "the overview with an endpoint off");
    eventually(SOON, || browser.click(SWITCH));
    eventually(SOON, || {
        let words = browser.text(SWITCH)?;
        ensure!(words.starts_with("On"), "the switch says {words}");
        Ok(())
    });
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 200);
    says(&browser, "#toast span", "GET /legacy/export is on again, 2 of 2 pods in ");
    assert_no_barriers(&browser, "the toast");
    browser.click("#undo").unwrap();
    says(&browser, "dialog[open] h2", "Off on 2 pods");
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 503);
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
