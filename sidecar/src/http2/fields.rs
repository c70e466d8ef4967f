//! Validates HTTP/2 heads as strictly as HTTP/1 heads, and removes connection-specific fields.

use httparse::Header;
use hyper::header::{HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE, VIA};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{HeaderMap, Method, Uri};
use mesh::refusal::RefusalReason;

use crate::forwarding::Forwarding;
use crate::head::answer::Edit;
use crate::head::fields::{Connectivity, KnownField, Sender, known};
use crate::head::request::{NO_CONNECT, RequestHead, TOO_LARGE, TOO_LONG, UNKNOWN_METHOD, check_trace, target};
use crate::head::{Framing, HeadFault, HeadLimits, Version};

/// The fields, as decorators see them.
pub(super) fn view(fields: &HeaderMap) -> Vec<Header<'_>> {
    fields.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
}

/// Validates the head of a request, and returns it as decorators see it.
pub(super) fn judge<'h, 'b>(
    parts: &'b Parts,
    fields: &'h [Header<'b>],
    limits: HeadLimits,
) -> Result<RequestHead<'h, 'b>, HeadFault> {
    let method = parts.method.as_str();
    if parts.method == Method::CONNECT {
        return Err(NO_CONNECT);
    }
    if method.len() > mesh::endpoint::METHOD_BYTES_MAX {
        return Err(UNKNOWN_METHOD);
    }
    let path = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    if path.len() > limits.target_bytes {
        return Err(TOO_LONG);
    }
    // The bytes that the fields would take in HTTP/1.
    let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len() + ": \r\n".len()).sum();
    if fields.len() > limits.fields || path.len() + bytes > limits.head_bytes {
        return Err(TOO_LARGE);
    }
    let connectivity = Connectivity::read(fields, Version::Http11, Sender::Client)?;
    let authority = parts.uri.authority().map(Authority::as_str);
    let host = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    match (authority, host, connectivity.hosts()) {
        (None, None, _) => return Err(HeadFault::bad(RefusalReason::Host, "Host is missing")),
        (_, _, 2..) => return Err(HeadFault::bad(RefusalReason::Host, "more than one Host")),
        // RFC 9113, section 8.3.1.
        (Some(authority), Some(host), _) if !authority.as_bytes().eq_ignore_ascii_case(host) => {
            return Err(HeadFault::bad(RefusalReason::Host, "Host is not the authority"));
        }
        _ => {}
    }
    target::check(path)?;
    let framing = connectivity.framing(Framing::Empty);
    let head = RequestHead { method, target: path, authority, version: Version::Http11, fields, connectivity, framing };
    check_trace(&head)?;
    Ok(head)
}

/// The fields that describe a downstream to the service, from the lines that HTTP/1 would send.
pub(super) fn forwarded(forwarding: Forwarding, lines: &str) -> HeaderMap {
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let mut fields: HeaderMap = lines.lines().filter_map(field).collect();
    if forwarding.via {
        fields.insert(VIA, HeaderValue::from_static("2 sitio"));
    }
    fields
}

/// Changes a request's head for the service, and decrements its Max-Forwards.
pub(super) fn for_service(parts: &mut Parts, forwarded: &HeaderMap, forwards_left: Option<u64>) {
    drop_hop_by_hop(&mut parts.headers);
    if let Some(left) = forwards_left {
        parts.headers.insert(MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
    for (name, value) in forwarded {
        // This field has one value, and readers use the first; the others are lists.
        if known(name.as_str()) == KnownField::ForwardedProto {
            parts.headers.insert(name, value.clone());
        } else {
            parts.headers.append(name, value.clone());
        }
    }
    let host = parts.headers.remove(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme.get_or_insert(Scheme::HTTP);
    if uri.authority.is_none() {
        uri.authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    }
    // Only an invalid authority in Host makes this fail, and `h2` refuses to send the resulting URI.
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
}

/// Removes hop-by-hop fields (RFC 9110, section 7.6.1). The library already refuses most of them (RFC 9113,
/// section 8.2.2).
pub(super) fn drop_hop_by_hop(fields: &mut HeaderMap) {
    let takes_trailers = fields.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"] {
        fields.remove(name);
    }
    if takes_trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes the fields that mark the sidecar's own responses.
pub(super) fn drop_ours(fields: &mut HeaderMap) {
    fields.remove("x-sitio-error");
    fields.remove("x-sitio-rule");
}

/// Applies the edits of decorators to a response's fields. An edit that would corrupt the message is skipped.
pub(super) fn edit(fields: &mut HeaderMap, edits: &[Edit]) {
    for edit in edits {
        let Ok(name) = HeaderName::try_from(edit.name()) else { continue };
        if !matches!(known(name.as_str()), KnownField::Other | KnownField::Accept) {
            continue;
        }
        match edit {
            Edit::Remove(_) => drop(fields.remove(name)),
            Edit::Set(_, value) => {
                if let Ok(value) = HeaderValue::from_str(value) {
                    fields.insert(name, value);
                }
            }
        }
    }
}
