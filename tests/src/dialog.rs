//! The dialog that turns an endpoint off, as a person uses it: waits for its numbers, gives a reason, confirms.

use anyhow::ensure;

use crate::browser::Browser;
use crate::eventually::{SOON, eventually};

/// The dialog's button. It is disabled until the numbers are there.
const CONFIRM: &str = "#off[open] #go";

/// Waits for the dialog with all its numbers, and types the reason.
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

/// What the button says that confirms it.
pub fn confirmation(browser: &Browser) -> anyhow::Result<String> {
    browser.text(CONFIRM)
}

/// Turns the endpoint off.
#[track_caller]
pub fn confirm(browser: &Browser) {
    browser.click(CONFIRM).expect("the button can be clicked");
}
