//! The Date that an answer gets which came without: whoever passes one on must add it (RFC 9110, section 6.6.1).

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// The present as a field's value, spelled out once a second.
#[derive(Debug, Default)]
pub struct DateCache {
    second: Cell<u64>,
    text: RefCell<String>,
}

impl DateCache {
    /// Appends the date of this second, without asking the allocator but for the first time.
    pub fn append(&self, out: &mut Vec<u8>) {
        self.append_of(SystemTime::now(), out);
    }

    fn append_of(&self, now: SystemTime, out: &mut Vec<u8>) {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut text = self.text.borrow_mut();
        if text.is_empty() || self.second.replace(second) != second {
            self.second.set(second);
            text.clear();
            // A string takes whatever it is given.
            let _ = write!(text, "{}", HttpDate::from(now));
        }
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_one_date_and_the_next_has_another() {
        let cache = DateCache::default();
        let date = |ms| {
            let mut out = Vec::new();
            cache.append_of(UNIX_EPOCH + Duration::from_millis(ms), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        // A clock that is set back is believed.
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
