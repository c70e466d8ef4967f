//! Checks pages for accessibility barriers with axe, at the screen sizes and colour schemes that must work.

use crate::browser::{Browser, Scheme};

/// A desktop and a phone, light and dark.
pub const LOOKS: [(u32, u32, Scheme); 4] =
    [(1440, 900, Scheme::Light), (1440, 900, Scheme::Dark), (390, 844, Scheme::Light), (390, 844, Scheme::Dark)];

/// A window of 1280 by 1024 at 400 %, which must not need horizontal scrolling (WCAG 2.2, success criterion 1.4.10).
pub const ZOOMED: (u32, u32) = (320, 256);

/// Finds boxes whose text is cut off and not scrollable, and boxes outside the window. Ignores text for screen readers
/// only, and pictures, whose text is repeated beside them.
const CUT: &str = "
    const scrolls = box => /auto|scroll/.test(getComputedStyle(box).overflowX) && box.matches('body *');
    const isScrolled = box => { for (let on = box.parentElement; on; on = on.parentElement) if (scrolls(on)) return true; };
    const looked = [...document.body.querySelectorAll('*')].filter(box => box.checkVisibility({visibilityProperty: true})
        && !box.closest('.vh, .skip, svg, thead, input, dialog:not([open])') && !(document.querySelector('dialog[open]') && !box.closest('dialog')));
    const isCut = box => /hidden|clip/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth + 1;
    const isBeside = box => { const {left, right, width} = box.getBoundingClientRect();
        return width > 0 && (left < -1 || right > innerWidth + 1) && !isScrolled(box); };
    return looked.filter(box => isCut(box) || isBeside(box)).map(box =>
        `${box.tagName} ${box.className} ${box.dataset.k ?? ''} in ${box.parentElement.className || box.parentElement.tagName}: ${box.textContent.trim().replaceAll(/\\s+/g, ' ').slice(0, 60)}`);";

/// Fails if axe finds a violation in any look, or if the enlarged page needs horizontal scrolling or cuts something
/// off. Leaves the browser in the first look.
#[track_caller]
pub fn assert_no_barriers(browser: &Browser, page: &str) {
    let looks = LOOKS.into_iter().chain([(ZOOMED.0, ZOOMED.1, Scheme::Light)]);
    for (width, height, scheme) in looks {
        browser.look_as(width, height, scheme);
        let faults = browser.axe_violations();
        assert!(faults.is_empty(), "{page} at {width}x{height}, {scheme:?}:\n{}", faults.join("\n"));
    }
    let wide = browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide.expect("the page has a width"), 0, "{page} has to be scrolled sideways at 400 %");
    let cut = cut_off(browser);
    assert!(cut.is_empty(), "{page} cuts off at 400 %:\n{}", cut.join("\n"));
    browser.look_as(LOOKS[0].0, LOOKS[0].1, LOOKS[0].2);
}

/// What the open page cuts off, one line for each box.
#[track_caller]
pub fn cut_off(browser: &Browser) -> Vec<String> {
    let cut = browser.script(CUT).expect("the page has boxes");
    cut.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
}
