//! Translates message heads between HTTP/2 and HTTP/1.1 (RFC 9113, section 8.2 and 8.3).

use http2::hpack::Field;
use mesh::refusal::RefusalReason;

use crate::body::chunked::may_trail;
use crate::head::HeadFault;
use crate::head::answer::Edit;
use crate::head::date::DateCache;
use crate::head::fields::{KnownField, is_named, known};
use crate::head::response::ResponseHead;
use crate::head::write::is_editable;
use crate::upstream::http2::field_list::FieldList;

/// How the body of a request is framed in HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestFraming {
    /// There is none, or Content-Length states it.
    Plain,
    /// Chunked transfer coding.
    Chunks,
}

/// A value that HTTP/1.1 does not carry.
const CONTROL: HeadFault = HeadFault::bad(RefusalReason::Field, "a field value holds a control character");

/// Extended CONNECT (RFC 8441) has no counterpart that keeps its meaning.
const NO_TUNNEL: HeadFault = HeadFault { status: 501, reason: RefusalReason::Method, why: "the service speaks HTTP/1.1 only" };

/// Appends a request in HTTP/1.1. The fields were judged: no name or value can end a line.
pub(super) fn request(out: &mut Vec<u8>, head: &FieldList, framing: RequestFraming) -> Result<(), HeadFault> {
    let pseudo = |name: &str| head.iter().find(|field| field.name == name.as_bytes()).map_or(&b""[..], |field| field.value);
    if head.iter().any(|field| field.name == b":protocol") {
        return Err(NO_TUNNEL);
    }
    if head.iter().any(|field| has_control(field.value)) {
        return Err(CONTROL);
    }
    for part in [pseudo(":method"), b" ", pseudo(":path"), b" HTTP/1.1\r\nHost: ", pseudo(":authority"), b"\r\n"] {
        out.extend_from_slice(part);
    }
    for Field { name, value, .. } in head.iter().filter(|field| !field.name.starts_with(b":")) {
        match name {
            b"te" => push_line(out, b"Connection", b"TE"),
            // HTTP/2 may split cookies for compression (section 8.2.3).
            b"cookie" => continue,
            _ => {}
        }
        push_line(out, name, value);
    }
    let cookies: Vec<&[u8]> = head.iter().filter(|field| field.name == b"cookie").map(|field| field.value).collect();
    if !cookies.is_empty() {
        push_line(out, b"Cookie", &cookies.join(&b"; "[..]));
    }
    if framing == RequestFraming::Chunks {
        push_line(out, b"Transfer-Encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a piece of a request's body.
pub(super) fn piece(out: &mut Vec<u8>, framing: RequestFraming, content: &[u8]) {
    match framing {
        _ if content.is_empty() => {}
        RequestFraming::Plain => out.extend_from_slice(content),
        RequestFraming::Chunks => {
            out.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
            out.extend_from_slice(content);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends the end of a request's body. Without chunks, HTTP/1.1 has no place for trailers.
pub(super) fn end(out: &mut Vec<u8>, framing: RequestFraming, trailers: &FieldList) {
    if framing == RequestFraming::Chunks {
        out.extend_from_slice(b"0\r\n");
        // The service reads them as fields of HTTP/1: what heads refuse may not come by this way.
        for field in trailers.iter().filter(|field| !has_control(field.value)) {
            if std::str::from_utf8(field.name).is_ok_and(may_trail) {
                push_line(out, field.name, field.value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The head of a response in HTTP/2, with the edits of decorators and without what concerns the connection.
pub(super) fn response(head: &ResponseHead<'_, '_>, edits: &[Edit], dates: Option<&DateCache>) -> FieldList {
    let mut list = FieldList::default();
    list.push(Field::new(":status", &head.status.to_string()));
    let mut is_dated = dates.is_none();
    for header in head.fields {
        let is_edited = edits.iter().any(|edit| edit.takes_away(header.name));
        let is_of_connection = head.connectivity.names_others && is_named(head.fields, header.name);
        let passes = match known(header.name) {
            // A 1xx or 204 has no content, and must not announce any (RFC 9110, section 8.6).
            KnownField::ContentLength => head.status >= 200 && head.status != 204,
            known => known.is_end_to_end(),
        };
        if passes && !is_edited && !is_of_connection {
            is_dated |= known(header.name) == KnownField::Date;
            list.push_unfolded(header.name, header.value);
        }
    }
    for edit in edits {
        if let Some((name, value)) = edit.written().filter(|_| is_editable(edit)) {
            is_dated |= known(name) == KnownField::Date;
            list.push_lower_case(name, value);
        }
    }
    if let Some(dates) = dates.filter(|_| !is_dated) {
        let mut date = Vec::new();
        dates.append(&mut date);
        list.push(Field::new("date", &date));
    }
    list
}

/// Trailers in HTTP/2, from lines that were judged.
pub(super) fn trailers(lines: &[u8]) -> FieldList {
    let mut list = FieldList::default();
    for line in lines.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.map(|colon| (&line[..colon], &line[colon + 1..])) else { continue };
        if let Ok(name) = std::str::from_utf8(name)
            && known(name) != KnownField::Ours
        {
            list.push_unfolded(name, value.trim_ascii());
        }
    }
    list
}

fn has_control(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> FieldList {
        let mut list = FieldList::default();
        for (name, value) in [(":method", "GET"), (":authority", "shop"), (":path", "/a?b")].iter().chain(fields) {
            list.push(Field::new(*name, *value));
        }
        list
    }

    fn written(fields: &[(&str, &str)], framing: RequestFraming) -> Result<String, HeadFault> {
        let mut out = Vec::new();
        request(&mut out, &head(fields), framing)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_request_is_written_with_its_cookies_in_one_field() {
        let fields = [("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("te", "trailers")];
        let expected = "GET /a?b HTTP/1.1\r\nHost: shop\r\nx: 1\r\nConnection: TE\r\nte: trailers\r\nCookie: a=1; b=2\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(written(&fields, RequestFraming::Chunks).unwrap(), expected);
    }

    #[test]
    fn what_http_1_cannot_carry_is_refused() {
        for value in ["a\x01", "a\x7fb", "a\u{b}"] {
            assert_eq!(written(&[("x", value)], RequestFraming::Plain), Err(CONTROL), "{value:?}");
        }
        assert!(written(&[("x", "a\tb\u{e9}")], RequestFraming::Plain).is_ok());
        assert_eq!(written(&[(":protocol", "websocket")], RequestFraming::Plain), Err(NO_TUNNEL));
    }

    #[test]
    fn pieces_and_trailers_are_framed_as_the_head_says() {
        let mut out = Vec::new();
        piece(&mut out, RequestFraming::Chunks, b"hello, hello, hello");
        piece(&mut out, RequestFraming::Chunks, b"");
        let mut list = FieldList::default();
        list.push(Field::new("checksum", "7"));
        list.push(Field::new("content-length", "9"));
        list.push(Field::new("x", "a\x01b"));
        end(&mut out, RequestFraming::Chunks, &list);
        assert_eq!(String::from_utf8(out).unwrap(), "13\r\nhello, hello, hello\r\n0\r\nchecksum: 7\r\n\r\n");
        let mut out = Vec::new();
        piece(&mut out, RequestFraming::Plain, b"hello");
        end(&mut out, RequestFraming::Plain, &list);
        assert_eq!(out, b"hello");
    }

    #[test]
    fn trailers_are_read_from_their_lines() {
        let list = trailers(b"Checksum: 7\r\nX-Sitio-Error: no\r\nB:  c\r\n");
        assert!(list.iter().eq([Field::new("checksum", "7"), Field::new("b", "c")]));
    }
}
