//! Translates the head of a request from HTTP/1.1 to HTTP/2 (RFC 9113, section 8.3.1).

use http2::hpack::Field;

use crate::body::{Body, To};
use crate::exchange::Exchange;
use crate::head::fields::{KnownField, known};
use crate::head::{Framing, request};
use crate::http1::relay::RelayError;
use crate::upstream::http2::field_list::FieldList;

/// A request as HTTP/2 sends it.
pub(super) struct Http2Request {
    pub(super) fields: FieldList,
    /// The part of its content that arrived with its head.
    pub(super) content: Vec<u8>,
}

/// Translates the request that was written for HTTP/1.1, and lets the rest of its body be framed for HTTP/2.
pub(super) fn translate(exchange: &mut Exchange) -> Result<Http2Request, RelayError> {
    const UNREADABLE: RelayError = RelayError::MalformedRequest("the request cannot be translated to HTTP/2");
    let mut room = Vec::new();
    let (head, length) = request::parse_written(&exchange.wire, &mut room).ok_or(UNREADABLE)?;
    let host = head.field("host").unwrap_or_default();
    let path = if head.target.starts_with('?') { format!("/{}", head.target) } else { head.target.to_owned() };
    let mut fields = FieldList::default();
    for (name, value) in [(":method", head.method.as_bytes()), (":scheme", b"http"), (":authority", host)] {
        fields.push(Field::new(name, value));
    }
    fields.push(Field::new(":path", &path));
    for header in head.fields {
        let passes = match known(header.name) {
            KnownField::ContentLength | KnownField::Ours => true,
            known => known.is_end_to_end(),
        };
        if passes {
            fields.push_unfolded(header.name, header.value);
        }
    }
    if head.connectivity.takes_trailers {
        fields.push(Field::new("te", "trailers"));
    }
    let mut content = Vec::new();
    let rest = &exchange.wire[length..];
    if head.framing != Framing::Empty {
        // The sidecar has written these bytes itself: they are a whole number of chunks, or plain.
        let mut body = Body::new(head.framing, To::Frames);
        let carried = body.carry(rest, &mut content).map_err(|_| UNREADABLE)?;
        content.extend_from_slice(carried.plain);
    }
    if content.len() as u64 != exchange.body.bytes {
        // A part of the body went to the service in HTTP/1, before it turned out to speak HTTP/2.
        return Err(RelayError::SpeaksHttp2);
    }
    exchange.body.redirect(To::Frames);
    Ok(Http2Request { fields, content })
}
