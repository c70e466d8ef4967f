//! The Date field for responses that have none; a proxy must add it (RFC 9110, section 6.6.1).

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::SystemTime;

use httpdate::HttpDate;

/// The current date, formatted as a field value. It is formatted four times a second, so that a response
/// needs no clock read.
#[derive(Debug)]
pub struct DateCache {
    text: RefCell<String>,
}

impl DateCache {
    /// A cache that holds `now`.
    pub fn new(now: SystemTime) -> Self {
        let cache = Self { text: RefCell::default() };
        cache.refresh(now);
        cache
    }

    /// Formats a new time. Only the first call allocates.
    pub fn refresh(&self, now: SystemTime) {
        let mut text = self.text.borrow_mut();
        text.clear();
        // Writing to a string never fails.
        let _ = write!(text, "{}", HttpDate::from(now));
    }

    /// Appends the date to `out`.
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
        // A clock that is set back is followed.
        cache.refresh(UNIX_EPOCH);
        assert_eq!(date(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
