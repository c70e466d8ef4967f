//! The sizes and schemes in which every page must be in order, and the look of axe at each.

use crate::browser::{Browser, Scheme};

/// A desk and a phone, by day and by night.
pub const LOOKS: [(u32, u32, Scheme); 4] =
    [(1440, 900, Scheme::Light), (1440, 900, Scheme::Dark), (390, 844, Scheme::Light), (390, 844, Scheme::Dark)];

/// A window of 1280 by 1024 at 400 %: what WCAG 2.2 asks to be readable without scrolling sideways (success criterion 1.4.10).
pub const ZOOMED: (u32, u32) = (320, 256);

/// Fails if axe finds a barrier on the page in any look, or if the page has to be scrolled sideways when it is enlarged.
/// Leaves the browser at the first look.
#[track_caller]
pub fn assert_no_barriers(browser: &Browser, page: &str) {
    let looks = LOOKS.into_iter().chain([(ZOOMED.0, ZOOMED.1, Scheme::Light)]);
    for (width, height, scheme) in looks {
        browser.look_as(width, height, scheme);
        let faults = browser.axe();
        assert!(faults.is_empty(), "{page} at {width}x{height}, {scheme:?}:\n{}", faults.join("\n"));
    }
    let wide = browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide.expect("the page has a width"), 0, "{page} has to be scrolled sideways at 400 %");
    browser.look_as(LOOKS[0].0, LOOKS[0].1, LOOKS[0].2);
}
