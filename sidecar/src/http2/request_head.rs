//! Judges the head of a request as strictly as in HTTP/1, and rewrites it for the service.

use http2::hpack::Field;
use http2::limits::ExtendedConnect;
use http2::message::field_section::{FieldSection, Pseudo};
use httparse::Header;
use mesh::endpoint::METHOD_BYTES_MAX;
use mesh::refusal::RefusalReason;

use crate::forwarding::Forwarding;
use crate::head::answer::Edit;
use crate::head::fields::{Connectivity, KnownField, Sender, known};
use crate::head::request::{NO_CONNECT, RequestHead, TOO_LARGE, TOO_LONG, UNKNOWN_METHOD, check_host, check_trace, target};
use crate::head::write::{ForwardedProto, is_editable};
use crate::head::{Framing, HeadFault, HeadLimits, Version};
use crate::upstream::http2::field_list::FieldList;

/// The fields, as decorators see them.
pub(super) fn view(section: &FieldSection) -> Vec<Header<'_>> {
    section.regular().map(|Field { name, value, .. }| Header { name: text(name).unwrap_or_default(), value }).collect()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Judges the head of a request, and returns it as decorators see it. The connection has judged the syntax already.
/// `extended_connect` is what the service supports.
pub(super) fn judge<'h, 'b>(
    section: &'b FieldSection,
    fields: &'h [Header<'b>],
    limits: HeadLimits,
    extended_connect: ExtendedConnect,
) -> Result<RequestHead<'h, 'b>, HeadFault> {
    let method = section.method().and_then(text).unwrap_or_default();
    let is_extended = section.protocol().is_some() && extended_connect == ExtendedConnect::Announced;
    if method == "CONNECT" && !is_extended {
        return Err(NO_CONNECT);
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(UNKNOWN_METHOD);
    }
    let path = section.path().unwrap_or_default();
    if path.len() > limits.target_bytes {
        return Err(TOO_LONG);
    }
    let path = text(path).ok_or(HeadFault::bad(RefusalReason::Target, "the target is no UTF-8"))?;
    // The bytes that the fields would take in HTTP/1.
    let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len() + ": \r\n".len()).sum();
    if fields.len() > limits.fields || path.len() + bytes > limits.head_bytes {
        return Err(TOO_LARGE);
    }
    target::check_path(method, path)?;
    check_scheme(section.scheme().unwrap_or_default())?;
    let connectivity = Connectivity::read(fields, Version::Http11, Sender::Client)?;
    let authority = check_authority(section, fields)?;
    let framing = connectivity.framing(Framing::Empty);
    let head = RequestHead { method, target: path, authority, version: Version::Http11, fields, connectivity, framing };
    if authority.is_none() {
        check_host(&head)?;
    }
    check_trace(&head)?;
    Ok(head)
}

fn check_scheme(scheme: &[u8]) -> Result<(), HeadFault> {
    let is_known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    if is_known { Ok(()) } else { Err(HeadFault::bad(RefusalReason::Target, "the scheme is neither http nor https")) }
}

/// The authority, if there is one. A Host field must not differ from it (RFC 9113, section 8.3.1).
fn check_authority<'b>(section: &'b FieldSection, fields: &[Header<'b>]) -> Result<Option<&'b str>, HeadFault> {
    let Some(authority) = section.authority() else { return Ok(None) };
    let mut hosts = fields.iter().filter(|field| known(field.name) == KnownField::Host);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(HeadFault::bad(RefusalReason::Host, "more than one Host"));
    }
    if host.is_some_and(|host| !host.value.eq_ignore_ascii_case(authority)) {
        return Err(HeadFault::bad(RefusalReason::Host, "Host is not the authority"));
    }
    let sound = text(authority).filter(|text| !text.is_empty() && target::is_authority(authority));
    sound.map(Some).ok_or(HeadFault::bad(RefusalReason::Host, "the authority is malformed"))
}

/// The fields that describe a downstream to the service, from the lines that HTTP/1 would send.
pub(super) fn forwarded(forwarding: Forwarding, lines: &str) -> FieldList {
    let mut fields = FieldList::default();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        fields.push_lower_case(name, value);
    }
    if forwarding.via {
        fields.push(Field::new("via", "2 sitio"));
    }
    fields
}

/// Appends the head for the service to `out`.
pub(super) fn for_service(
    out: &mut FieldList,
    section: &FieldSection,
    head: &RequestHead<'_, '_>,
    forwarded: &FieldList,
    proto: ForwardedProto,
    edits: &[Edit],
) {
    let host = head.field("host");
    let authority = section.authority().or(host);
    let pseudos = [
        (":method", section.method()),
        (":scheme", section.scheme()),
        (":authority", authority),
        (":path", section.path()),
        (":protocol", section.pseudo(Pseudo::Protocol)),
    ];
    for (name, value) in pseudos {
        if let Some(value) = value {
            out.push(Field::new(name, value));
        }
    }
    let forwards_left = head.forwards_left();
    for (field, header) in section.regular().zip(head.fields) {
        match known(header.name) {
            // Its value is the authority.
            KnownField::Host => {}
            KnownField::MaxForwards if forwards_left.is_some() => {}
            KnownField::ForwardedProto if proto == ForwardedProto::Replaced => {}
            _ if edits.iter().any(|edit| is_editable(edit) && edit.takes_away(header.name)) => {}
            _ => out.push(field),
        }
    }
    forwarded.iter().for_each(|field| out.push(field));
    for (name, value) in edits.iter().filter(|edit| is_editable(edit)).filter_map(Edit::written) {
        out.push_lower_case(name, value);
    }
    if let Some(left) = forwards_left {
        out.push(Field::new("max-forwards", &left.saturating_sub(1).to_string()));
    }
}
