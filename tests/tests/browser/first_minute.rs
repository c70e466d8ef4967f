//! Browser test of an empty mesh: the page shows set-up commands, and goes live when the first sidecar connects.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

#[test]
fn the_page_shows_what_to_paste_and_comes_alive() {
    let (control_plane, origin) = (ControlPlane::start(), Origin::start());
    let browser = Browser::start();
    browser.open(&format!("http://localhost:{}/", control_plane.http_port));
    let address = format!("http://127.0.0.1:{}", control_plane.grpc_port);
    let command = browser.text("#laptop").unwrap();
    assert!(command.starts_with(&format!("sitio run --control-plane {address} \\\n")), "{command}");
    assert!(browser.text("#container").unwrap().contains(&format!("value: \"{address}\"")));
    assert_no_barriers(&browser, "the first minute");

    // The copied text is the shown text.
    browser.click("[data-copy=laptop]").unwrap();
    eventually(SOON, || {
        ensure!(browser.script("return document.getElementById('say').textContent")? == "Copied.", "nothing was copied");
        Ok(())
    });
    let selected = browser.script("return getSelection().toString()").unwrap();
    assert_eq!(selected.as_str().map(str::trim_end), Some(command.as_str()));

    // The page updates without a reload.
    browser.script("window.isTheSame = true; return 1").unwrap();
    let sidecar = Sidecar::builder(origin.port()).named("web", "web-1").reports_to(control_plane.grpc_port).start();
    eventually(SOON, || {
        ensure!(browser.text("[data-when=no-requests] p")?.starts_with("1 sidecar is connected."), "no sidecar has connected");
        Ok(())
    });
    assert_no_barriers(&browser, "a mesh without requests");
    sidecar.get("/hello");
    eventually(SOON, || {
        let rows = browser.text("#rows")?;
        ensure!(rows.contains("/hello") && rows.contains("web"), "{rows}");
        Ok(())
    });
    assert_eq!(browser.script("return window.isTheSame").unwrap(), true, "it is the page that was opened");
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
