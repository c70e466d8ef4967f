//! Operates the dialog that turns an endpoint off: waits for its numbers, enters a reason, confirms.

use anyhow::ensure;

use crate::browser::Browser;
use crate::eventually::{SOON, eventually};

/// The button that confirms. It is disabled until the numbers have arrived.
const CONFIRM: &str = "#off[open] #go";

/// Waits for the dialog with all its numbers, and enters the reason.
#[track_caller]
pub fn give_reason(browser: &Browser, reason: &str) {
    eventually(SOON, || {
        let is_whole = "const dialog = document.querySelector('#off[open]');
            return Boolean(dialog) && dialog.ariaBusy === null && !document.getElementById('go').disabled";
        ensure!(browser.script(is_whole)? == true, "the dialog is not there with all its numbers");
        Ok(())
    });
    browser.type_into("#off[open] textarea", reason).expect("the dialog takes a reason");
}

/// The text of the button that confirms.
pub fn confirmation(browser: &Browser) -> anyhow::Result<String> {
    browser.text(CONFIRM)
}

/// Turns the endpoint off.
#[track_caller]
pub fn confirm(browser: &Browser) {
    browser.click(CONFIRM).expect("the button can be clicked");
}
