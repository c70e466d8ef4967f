//! The Date that an answer gets which came without: whoever passes one on must add it (RFC 9110, section 6.6.1).

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::SystemTime;

use httpdate::HttpDate;

/// The present as a field's value. It is spelled out anew four times a second, so that an answer asks no clock.
#[derive(Debug)]
pub struct DateCache {
    text: RefCell<String>,
}

impl DateCache {
    /// This moment.
    pub fn new(now: SystemTime) -> Self {
        let cache = Self { text: RefCell::default() };
        cache.refresh(now);
        cache
    }

    /// It is later by now. Only the first time asks the allocator.
    pub fn refresh(&self, now: SystemTime) {
        let mut text = self.text.borrow_mut();
        text.clear();
        // A string takes whatever it is given.
        let _ = write!(text, "{}", HttpDate::from(now));
    }

    /// Appends the date.
    pub fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text.borrow().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_date_is_that_of_the_last_look_at_the_clock() {
        let cache = DateCache::new(UNIX_EPOCH + Duration::from_secs(784_111_777));
        let date = || {
            let mut out = Vec::new();
            cache.append(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        cache.refresh(UNIX_EPOCH + Duration::from_millis(784_111_778_999));
        assert_eq!(date(), "Sun, 06 Nov 1994 08:49:38 GMT");
        // A clock that is set back is believed.
        cache.refresh(UNIX_EPOCH);
        assert_eq!(date(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
