//! Browser test of more windows than the browser's six connections per host: all are live, all can turn off.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use anyhow::ensure;
use scenario::browser::{Browser, WindowHandle};
use scenario::disable_dialog::{confirm, give_reason};
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// More windows than a browser opens connections to one host.
const WINDOWS: usize = 7;

const SWITCH: &str = "button[role=switch][aria-label^='GET /export']";

/// A mesh with one request for `/export`.
fn mesh() -> SmallMesh {
    let mesh = SmallMesh::start("orders", 1);
    mesh.pods[0].get("/export");
    mesh.api().expect_hits("orders", 1);
    mesh
}

/// Opens pages in [`WINDOWS`] windows, with the URLs of `pages` in turn; `prepare` is called before each.
fn open_all(browser: &Browser, mesh: &SmallMesh, pages: &[&str], prepare: impl Fn(&Browser)) -> Vec<WindowHandle> {
    let open = |at: usize| {
        let window = if at == 0 { browser.window() } else { browser.new_window() };
        prepare(browser);
        browser.open(&format!("http://127.0.0.1:{}{}", mesh.control_plane.http_port, pages[at % pages.len()]));
        assert_eq!(browser.script("return document.hidden").unwrap(), false, "window {at} is in the foreground");
        window
    };
    (0..WINDOWS).map(open).collect()
}

/// Waits until the page receives values.
fn expect_live(browser: &Browser, window: &str) {
    eventually(SOON, || {
        let pulse = browser.script("return document.body.dataset.pulse ?? 'none'")?;
        let silent = browser.script("return document.querySelector('#pulse time').textContent")?;
        // On the tap page this is the number of held rows, which is empty.
        ensure!(pulse == "live" && (silent == "1 s" || silent == ""), "{window}: {pulse}, nothing has arrived for {silent}");
        Ok(())
    });
}

fn says(browser: &Browser, selector: &str, words: &str) {
    eventually(SOON, || {
        let text = browser.text(selector)?;
        ensure!(text.contains(words), "{selector} says {text:?}, not {words:?}");
        Ok(())
    });
}

/// Turns the endpoint off in the window in front.
fn turn_off(browser: &Browser) {
    eventually(SOON, || browser.click(SWITCH));
    says(browser, "dialog[open] h2", "Turn off this endpoint?");
    give_reason(browser, "the export fills the disk");
    confirm(browser);
    says(browser, "dialog[open] h2", "Off on 1 pod");
}

#[test]
fn seven_windows_of_one_browser_are_all_live_and_all_can_turn_off() {
    let (mesh, browser) = (mesh(), Browser::start());
    let windows = open_all(&browser, &mesh, &["/", "/?window=1m", "/?find=export", "/?show=all&sort=rps:down"], |_| ());

    // All windows at the same time, on one connection.
    for (at, window) in windows.iter().enumerate() {
        browser.switch_to(window);
        expect_live(&browser, &format!("window {at}"));
    }
    browser.switch_to(windows.last().unwrap());
    turn_off(&browser);

    // Every other window shows the change, and turns the endpoint on again.
    for (at, window) in windows.iter().enumerate().take(WINDOWS - 1).rev() {
        browser.switch_to(window);
        says(&browser, SWITCH, "Off");
        eventually(SOON, || browser.click(SWITCH));
        says(&browser, SWITCH, "On");
        if at > 0 {
            turn_off(&browser);
        }
    }
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn a_window_that_is_closed_takes_no_other_with_it() {
    let (mesh, browser) = (mesh(), Browser::start());
    let windows = open_all(&browser, &mesh, &["/", "/pods", "/map", "/audit", "/tap"], |_| ());
    for window in &windows {
        browser.switch_to(window);
        expect_live(&browser, "a window");
    }

    // The first window opened the stream.
    browser.switch_to(&windows[0]);
    browser.close_window();

    browser.switch_to(&windows[1]);
    let lost = "window.lost = 0; new MutationObserver(() => { window.lost += document.body.dataset.pulse === 'lost'; })
        .observe(document.body, {attributes: true, attributeFilter: ['data-pulse']}); return 1";
    browser.script(lost).unwrap();
    for window in &windows[1..] {
        browser.switch_to(window);
        expect_live(&browser, "a window that was left");
    }
    browser.switch_to(&windows[1]);
    assert_eq!(browser.script("return window.lost").unwrap(), 0, "it never lost its stream");
}

#[test]
fn a_hidden_window_has_no_stream() {
    let (mesh, browser) = (mesh(), Browser::start());
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    expect_live(&browser, "the window");
    let hide = "Object.defineProperty(document, 'hidden', {value: true, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); return 1";
    browser.script(hide).unwrap();

    // The page receives nothing while it is hidden, so its data ages.
    eventually(SOON, || {
        let silent = browser.text("#pulse time")?;
        ensure!(silent.trim_end_matches(" s").parse::<u32>()? >= 3, "something arrived {silent} ago");
        Ok(())
    });
    let show = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); return 1";
    browser.script(show).unwrap();
    expect_live(&browser, "the window that is shown again");
}

#[test]
fn a_browser_that_cannot_share_a_stream_is_advised_and_its_live_windows_can_turn_off() {
    let (mesh, browser) = (mesh(), Browser::start());
    let windows = open_all(&browser, &mesh, &["/"], |browser| browser.before_each_page("delete window.SharedWorker;"));

    let last = windows.last().unwrap();
    browser.switch_to(last);
    says(&browser, "#next", "Close one of them, or serve the dashboard through a proxy with HTTP/2.");
    // The other waiting windows ask, too, and the same answers reach all of them.
    let greatest = "return new Promise(done => { let greatest = 0; const next = document.getElementById('next');
        const look = () => { greatest = Math.max(greatest, parseInt(next.textContent) || 0); };
        new MutationObserver(look).observe(next, {childList: true, characterData: true, subtree: true});
        look(); setTimeout(() => done(greatest), 8000); })";
    let advised = browser.script(greatest).unwrap();
    let live = windows.iter().filter(|window| {
        browser.switch_to(window);
        browser.script("return document.body.dataset.pulse").unwrap() == "live"
    });
    assert_eq!(advised, live.count(), "windows with a stream");
    // The live windows leave connections for commands.
    browser.switch_to(&windows[0]);
    turn_off(&browser);
    browser.switch_to(last);
    // It goes live as soon as connections are free.
    for window in &windows[..WINDOWS - 2] {
        browser.switch_to(window);
        browser.close_window();
    }
    browser.switch_to(last);
    expect_live(&browser, "the last window");
}
