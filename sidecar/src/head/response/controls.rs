//! Parses a response head whose values contain control characters, which `httparse` refuses.

use httparse::Header;

use crate::head::response::{ResponseHead, StatusLine, judge, lenient, partial, why, wrong};
use crate::head::{HeadLimits, Parsed};

/// Replaces control characters during parsing. `httparse` accepts this non-ASCII byte in a value but not in
/// a name, and drops a reason phrase that contains it.
const STAND_IN: u8 = 0x80;

/// Parses a copy in which the control characters are replaced, then takes the values from the original bytes.
///
/// A recipient may keep control characters except CR, LF and NUL (RFC 9110, section 5.5): none of the others ends a line.
pub(super) fn parse<'h, 'b>(
    input: &'b [u8],
    restored: &'h mut Vec<Header<'b>>,
    limits: HeadLimits,
) -> Parsed<ResponseHead<'h, 'b>> {
    let looked_at = &input[..input.len().min(limits.head_bytes)];
    let copy: Vec<u8> = looked_at.iter().map(|byte| if is_retained(*byte) { STAND_IN } else { *byte }).collect();
    let mut slots = limits.slots();
    let (room, _, _) = slots.all();
    let mut response = httparse::Response::new(&mut []);
    let length = match lenient().parse_response_with_uninit_headers(&mut response, &copy, room) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return partial(input, limits),
        Err(error) => return Parsed::Faulty(why(error)),
    };
    let original = |part: &[u8]| {
        let from = (part.as_ptr() as usize).checked_sub(copy.as_ptr() as usize)?;
        input.get(from..from + part.len())
    };
    restored.clear();
    for header in &*response.headers {
        let name = original(header.name.as_bytes()).and_then(|name| std::str::from_utf8(name).ok());
        let (Some(name), Some(value)) = (name, original(header.value)) else {
            return Parsed::Faulty(wrong("the head is malformed"));
        };
        restored.push(Header { name, value });
    }
    let reason = response.reason.filter(|reason| !reason.is_empty()).and_then(|reason| original(reason.as_bytes()));
    let reason = reason.and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or_default();
    judge(StatusLine { code: response.code, version: response.version, reason }, restored, &input[..length], limits)
}

fn is_retained(byte: u8) -> bool {
    byte.is_ascii_control() && !b"\0\t\r\n".contains(&byte)
}
