//! A person with a browser: the overview moves, the switch turns an endpoint off and on, and nobody is locked out.

use anyhow::{Result, ensure};
use scenario::browser::{Browser, Scheme};
use scenario::client::get;
use scenario::demo::Demo;
use scenario::eventually::{SOON, eventually};

const SWITCH: &str = "button[role=switch][aria-label^='GET /legacy/export']";

/// The sizes and schemes in which the pages must be in order.
const LOOKS: [(u32, u32, Scheme); 4] =
    [(1440, 900, Scheme::Light), (1440, 900, Scheme::Dark), (390, 844, Scheme::Light), (390, 844, Scheme::Dark)];

fn overview(demo: &Demo, browser: &Browser) {
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/", demo.http_port));
    eventually(SOON * 2, || {
        let rows = browser.script("return document.querySelectorAll('#rows tr[id]').length")?.as_u64().unwrap_or(0);
        ensure!(rows >= 12, "{rows} rows");
        browser.text(SWITCH)
    });
}

/// Which number each row shows now, so that two looks can be compared.
fn numbers(browser: &Browser) -> Result<String> {
    let script = "return [...document.querySelectorAll('#rows tr[id]')].map(row => row.textContent).sort().join('|')";
    Ok(browser.script(script)?.to_string())
}

#[track_caller]
fn assert_no_barriers(browser: &Browser, page: &str) {
    for (width, height, scheme) in LOOKS {
        browser.look_as(width, height, scheme);
        let faults = browser.axe();
        assert!(faults.is_empty(), "{page} at {width}x{height}, {scheme:?}:\n{}", faults.join("\n"));
    }
}

#[test]
fn axe_notices_what_is_wrong() {
    let browser = Browser::start();
    browser.open("data:text/html,<title>x</title><img src=x><button></button>");

    let faults = browser.axe().join("\n");

    assert!(faults.contains("image-alt") && faults.contains("button-name"), "{faults}");
}

#[test]
fn the_overview_moves_and_nobody_is_locked_out() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    overview(&demo, &browser);

    let before = numbers(&browser).unwrap();
    eventually(SOON, || {
        let now = numbers(&browser)?;
        ensure!(now != before, "the rows have not moved");
        Ok(())
    });
    assert_no_barriers(&browser, "the overview");
    let endpoint = browser.script("return document.querySelector('#rows a').getAttribute('href')").unwrap();
    for page in [endpoint.as_str().expect("a row leads to its endpoint"), "/pods", "/audit"] {
        browser.open(&format!("http://127.0.0.1:{}{page}", demo.http_port));
        assert_no_barriers(&browser, page);
    }
    browser.open(&format!("http://127.0.0.1:{}{}?history=slowest", demo.http_port, endpoint.as_str().unwrap_or_default()));
    let started = browser.text("#requests tbody tr:first-child time").unwrap();
    assert_eq!(started.len(), "14:07:41.126".len(), "{started} is told to the millisecond, in the reader's own time");

    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn an_endpoint_is_turned_off_through_the_dialog_and_on_again() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    overview(&demo, &browser);
    assert!(browser.text(SWITCH).unwrap().starts_with("On"));
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 200);

    // The switch opens the dialog; the reason is all that is to be typed; the button says what it does.
    eventually(SOON, || browser.click(SWITCH));
    eventually(SOON, || browser.type_into("dialog[open] textarea", "the export fills the disk"));
    assert_no_barriers(&browser, "the dialog");
    browser.look_as(1440, 900, Scheme::Light);
    let button = "dialog[open] .solid-danger";
    assert!(browser.text(button).unwrap().starts_with("Turn off on 2 pods"), "{:?}", browser.text(button));
    eventually(SOON, || browser.click(button));

    // Each pod's receipt appears, in milliseconds.
    eventually(SOON, || {
        let receipts = browser.text("#acks")?;
        for pod in ["legacy-6c9f7d5b8-2kqxz", "legacy-6c9f7d5b8-8vw4n"] {
            ensure!(receipts.contains(pod), "{pod} is missing in {receipts}");
        }
        ensure!(receipts.matches("applied in").count() == 2, "{receipts}");
        Ok(())
    });
    assert_no_barriers(&browser, "the progress of turning off");
    browser.look_as(1440, 900, Scheme::Light);
    for port in &demo.legacy_ports {
        let answer = get(*port, "/legacy/export");
        assert_eq!(answer.status(), 503, "{answer:?}");
    }

    // The switch says what the pods have confirmed, and brings the endpoint back at once.
    eventually(SOON, || browser.click("dialog[open] .df [data-close]"));
    eventually(SOON, || {
        let words = browser.text(SWITCH)?;
        ensure!(words.starts_with("Off"), "the switch says {words}");
        ensure!(browser.attribute(SWITCH, "aria-checked")? == "false", "it is still checked");
        Ok(())
    });
    assert_no_barriers(&browser, "the overview with an endpoint off");
    browser.look_as(1440, 900, Scheme::Light);
    eventually(SOON, || browser.click(SWITCH));
    eventually(SOON, || {
        let words = browser.text(SWITCH)?;
        ensure!(words.starts_with("On"), "the switch says {words}");
        Ok(())
    });
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 200);
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain of");
}
