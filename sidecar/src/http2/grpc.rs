//! The parts of gRPC needed to count its calls and to answer them in a service's place.

use http2::hpack::Field;
use mesh::exchange::Outcome;

use crate::upstream::http2::field_list::FieldList;

/// `UNKNOWN`: also what a client assumes for a call that ends without a status.
pub(super) const UNKNOWN: u8 = 2;

/// `DEADLINE_EXCEEDED`: the call may have been processed, or not.
pub(super) const DEADLINE_EXCEEDED: u8 = 4;

/// `RESOURCE_EXHAUSTED`: a limit was exceeded.
pub(super) const RESOURCE_EXHAUSTED: u8 = 8;

/// `UNAVAILABLE`: try again later.
pub(super) const UNAVAILABLE: u8 = 14;

/// The status codes by number: the name, and the HTTP status under which such a call is counted.
///
/// `grpc-status` comes in trailers, after an HTTP status that is nearly always 200 and therefore has no
/// meaning. The mapping follows google/rpc/code.proto. It separates the service's failures (5xx: `UNKNOWN`,
/// `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`) from the caller's mistakes
/// (4xx).
const CODES: [(&str, u16); 17] = [
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
];

/// Whether the content type is gRPC: `application/grpc`, `application/grpc+proto` and so on.
pub(super) fn is_grpc<'a>(mut fields: impl Iterator<Item = Field<'a>>) -> bool {
    let kind = fields.find(|field| field.name == b"content-type").map_or(&b""[..], |field| field.value);
    let after = kind.get(..16).filter(|start| start.eq_ignore_ascii_case(b"application/grpc")).and(kind.get(16..));
    // `application/grpc-web` is another protocol.
    after.is_some_and(|after| matches!(after.first(), None | Some(b'+' | b';' | b' ')))
}

/// The status code of a call, if these fields contain it. An undefined code means `UNKNOWN`.
pub(super) fn code<'a>(mut fields: impl Iterator<Item = Field<'a>>) -> Option<u8> {
    let status = fields.find(|field| field.name == b"grpc-status")?;
    let code = std::str::from_utf8(status.value).ok().and_then(|code| code.parse::<u8>().ok());
    Some(code.filter(|code| usize::from(*code) < CODES.len()).unwrap_or(UNKNOWN))
}

/// The HTTP status under which a call with this code is counted.
pub(super) fn http_status(code: u8) -> u16 {
    CODES[usize::from(code)].1
}

/// The name of the code.
pub(super) fn name(code: u8) -> &'static str {
    CODES[usize::from(code)].0
}

/// The status code for a caller of gRPC, from the status of a response in HTTP, as gRPC's document on HTTP statuses maps it. A
/// limit that is exceeded has a code of its own.
pub(super) fn code_of(http_status: u16) -> u8 {
    match http_status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 => RESOURCE_EXHAUSTED,
        502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Trailers that end a call in a service's place with `UNAVAILABLE`, so that the client retries later.
pub(super) fn unavailable_trailers(message: &str) -> FieldList {
    trailers_of_sitio(UNAVAILABLE, message, Outcome::UpstreamReset)
}

/// Trailers that replace the service's trailers because those are too large to forward.
pub(super) fn trailers_too_large() -> FieldList {
    trailers_of_sitio(
        RESOURCE_EXHAUSTED,
        "The trailers of the service behind this sidecar are over 512 KiB.",
        Outcome::UpstreamProtocol,
    )
}

/// Appends trailers with this code and message.
pub(super) fn push_trailers(fields: &mut FieldList, code: u8, message: &str) {
    fields.push(Field::new("grpc-status", &code.to_string()));
    fields.push(Field::new("grpc-message", message));
}

fn trailers_of_sitio(code: u8, message: &str, outcome: Outcome) -> FieldList {
    let mut trailers = FieldList::default();
    push_trailers(&mut trailers, code, message);
    trailers.push(Field::new("x-sitio-error", outcome.word()));
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<'a>(name: &'a str, value: &'a str) -> impl Iterator<Item = Field<'a>> {
        std::iter::once(Field::new(name, value))
    }

    #[test]
    fn grpc_is_distinguished_from_similar_types() {
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc; charset=x", "Application/GRPC"] {
            assert!(is_grpc(fields("content-type", kind)), "{kind}");
        }
        for kind in ["application/grpc-web", "application/json", "application/grpcx", ""] {
            assert!(!is_grpc(fields("content-type", kind)), "{kind}");
        }
    }

    #[test]
    fn failures_of_the_service_are_distinguished_from_mistakes_of_the_caller() {
        let failures: Vec<u8> = (0..CODES.len() as u8).filter(|code| http_status(*code) >= 500).collect();
        assert_eq!(failures, [2, 4, 12, 13, 14, 15]);
        assert_eq!(code(fields("grpc-status", "5")), Some(5));
        assert_eq!(code(fields("grpc-status", "99")), Some(UNKNOWN));
        assert_eq!(code(fields("x", "5")), None);
    }
}
