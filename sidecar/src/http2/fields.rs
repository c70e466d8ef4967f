//! Heads of HTTP/2: judged as strictly as those of HTTP/1, and rid of what concerns one connection only.

use httparse::Header;
use hyper::header::{HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE, VIA};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{HeaderMap, Method, Uri};

use crate::decorator::Edit;
use crate::forwarding::Forwarding;
use crate::head::fields::{Connectivity, Known, known};
use crate::head::request::{RequestHead, check_target, check_trace};
use crate::head::{FIELDS_MAX, Fault, Framing, TARGET_BYTES_MAX, Version};

/// The fields, as decorators see them.
pub(super) fn view(fields: &HeaderMap) -> Vec<Header<'_>> {
    fields.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
}

/// The head of a request, as decorators see it.
pub(super) fn judge<'h, 'b>(parts: &'b Parts, fields: &'h [Header<'b>]) -> Result<RequestHead<'h, 'b>, Fault> {
    let method = parts.method.as_str();
    if parts.method == Method::CONNECT {
        return Err(Fault { status: 501, why: "CONNECT is not served here" });
    }
    if method.len() > mesh::endpoint::METHOD_BYTES_MAX {
        return Err(Fault { status: 501, why: "the method is not known here" });
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Err(Fault { status: 414, why: "the target is over 16 KiB" });
    }
    if fields.len() > FIELDS_MAX {
        return Err(Fault { status: 431, why: "the head is over 64 KiB or 128 fields" });
    }
    let connectivity = Connectivity::read(fields, Version::Http11)?;
    let authority = parts.uri.authority().map(Authority::as_str);
    let host = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    match (authority, host, connectivity.hosts()) {
        (None, None, _) => return Err(Fault::bad("Host is missing")),
        (_, _, 2..) => return Err(Fault::bad("more than one Host")),
        // RFC 9113, section 8.3.1.
        (Some(authority), Some(host), _) if !authority.as_bytes().eq_ignore_ascii_case(host) => {
            return Err(Fault::bad("Host is not the authority"));
        }
        _ => {}
    }
    check_target(target)?;
    let framing = connectivity.framing(Framing::Empty);
    let head = RequestHead { method, target, authority, version: Version::Http11, fields, connectivity, framing };
    check_trace(&head)?;
    Ok(head)
}

/// The fields that tell the service of a downstream, out of the lines that HTTP/1 would send.
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

/// Makes the head as the service shall read it. What the downstream lets it pass is one stop less by now.
pub(super) fn for_service(parts: &mut Parts, forwarded: &HeaderMap, forwards_left: Option<u64>) {
    drop_hop_by_hop(&mut parts.headers);
    if let Some(left) = forwards_left {
        parts.headers.insert(MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
    for (name, value) in forwarded {
        parts.headers.append(name, value.clone());
    }
    let host = parts.headers.remove(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme.get_or_insert(Scheme::HTTP);
    if uri.authority.is_none() {
        uri.authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    }
    // Only a Host that is no authority makes no whole, and `h2` refuses to send that.
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
}

/// RFC 9110, section 7.6.1. The library refuses most of these before we see them (RFC 9113, section 8.2.2).
pub(super) fn drop_hop_by_hop(fields: &mut HeaderMap) {
    let takes_trailers = fields.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"] {
        fields.remove(name);
    }
    if takes_trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Changes a response's fields as decorators want it. One that would break the message is left out.
pub(super) fn edit(fields: &mut HeaderMap, edits: &[Edit]) {
    for edit in edits {
        let Ok(name) = HeaderName::try_from(edit.name()) else { continue };
        if !matches!(known(name.as_str()), Known::Other | Known::Accept) {
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
