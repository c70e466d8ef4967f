//! Judges heads and trailers while they are decoded (RFC 9113, sections 8.1 to 8.5).

use crate::frame::EndStream;
use crate::hpack::Field;
use crate::limits::ExtendedConnect;
use crate::message::content::Content;
use crate::message::field_section::{FieldSection, Pseudo};
use crate::message::malformed::Malformed;

pub(crate) mod content;
pub mod field_section;
pub mod malformed;
mod syntax;
#[cfg(test)]
mod tests;

/// Bytes that each field counts besides its name and value (section 6.5.2).
const FIELD_BYTES: usize = 32;

/// What a field section is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// Of no stream that is still open: decoded, but neither judged nor kept.
    #[default]
    Discarded,
    /// The head of a request.
    Request(ExtendedConnect),
    /// The head of a response, interim or final.
    Response,
    /// The fields after a body.
    Trailers,
}

/// The method of a request, as far as it decides about bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Method {
    Connect,
    Head,
    #[default]
    Other,
}

/// A field section that is being decoded.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// The fields within the limit.
    pub(crate) fields: FieldSection,
    kind: SectionKind,
    size: usize,
    size_max: usize,
    fault: Option<Malformed>,
}

/// The result for a well-formed section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The size limit is exceeded, and the fields are incomplete.
    TooLarge,
    /// A request with this content, or a final response.
    Head(Content),
    /// An interim response (RFC 9110, section 15.2).
    Interim,
    Trailers,
}

impl Method {
    pub(crate) fn new(name: &[u8]) -> Self {
        match name {
            b"CONNECT" => Self::Connect,
            b"HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

impl Section {
    /// Begins a new section and reuses the buffers.
    pub(crate) fn begin(&mut self, kind: SectionKind, size_max: usize) {
        self.fields.clear();
        (self.kind, self.size, self.size_max, self.fault) = (kind, 0, size_max, None);
    }

    /// Adds the next field. After the first fault, and over the limit, fields are only counted.
    pub(crate) fn push(&mut self, field: Field<'_>) {
        self.size += field.name.len() + field.value.len() + FIELD_BYTES;
        if self.kind == SectionKind::Discarded || self.size > self.size_max || self.fault.is_some() {
            return;
        }
        if let Err(malformed) = self.add(field) {
            self.fault = Some(malformed);
        }
    }

    /// Judges the whole section. `asked` is the method of the request that a response answers.
    pub(crate) fn judge(&self, asked: Method, end: EndStream) -> Result<Judged, Malformed> {
        if let Some(malformed) = self.fault {
            return Err(malformed);
        }
        if self.kind == SectionKind::Trailers && end == EndStream::No {
            return Err(Malformed::TrailersWithoutEnd);
        }
        if self.size > self.size_max {
            return Ok(Judged::TooLarge);
        }
        match self.kind {
            SectionKind::Request(_) => self.request(end),
            SectionKind::Response => self.response(asked, end),
            SectionKind::Trailers | SectionKind::Discarded => Ok(Judged::Trailers),
        }
    }

    fn add(&mut self, field: Field<'_>) -> Result<(), Malformed> {
        match field.name {
            [b':', ..] => {
                let pseudo = self.pseudo(field.name)?;
                check_pseudo(pseudo, field.value)?;
                self.fields.push_pseudo(pseudo, field);
            }
            name => {
                syntax::check_name(name)?;
                syntax::check_value(field.value)?;
                syntax::check_connection_field(name, field.value)?;
                if name == b"content-length" && self.kind != SectionKind::Trailers {
                    self.fields.set_content_length(syntax::content_length(field.value)?)?;
                }
                self.fields.push(field);
            }
        }
        Ok(())
    }

    /// Which pseudo-header fields may occur, and where (section 8.3).
    fn pseudo(&self, name: &[u8]) -> Result<Pseudo, Malformed> {
        let pseudo = match (self.kind, name) {
            (SectionKind::Trailers, _) => return Err(Malformed::PseudoInTrailers),
            (SectionKind::Request(_), b":method") => Pseudo::Method,
            (SectionKind::Request(_), b":scheme") => Pseudo::Scheme,
            (SectionKind::Request(_), b":authority") => Pseudo::Authority,
            (SectionKind::Request(_), b":path") => Pseudo::Path,
            (SectionKind::Request(ExtendedConnect::Announced), b":protocol") => Pseudo::Protocol,
            (SectionKind::Response, b":status") => Pseudo::Status,
            _ => return Err(Malformed::PseudoUnknown),
        };
        match self.fields.pseudo(pseudo) {
            Some(_) => Err(Malformed::PseudoRepeated),
            None if self.fields.has_regular() => Err(Malformed::PseudoAfterRegular),
            None => Ok(pseudo),
        }
    }

    /// Which pseudo-header fields a request needs (sections 8.3.1 and 8.5; RFC 8441, section 4).
    fn request(&self, end: EndStream) -> Result<Judged, Malformed> {
        let fields = &self.fields;
        let method = fields.method().ok_or(Malformed::PseudoMissing)?;
        let target = (fields.scheme(), fields.path(), fields.authority());
        match (Method::new(method), fields.protocol(), target) {
            (Method::Connect, None, (None, None, Some(_))) | (Method::Connect, Some(_), (Some(_), Some(_), Some(_))) => {
                return Ok(Judged::Head(Content::Tunnel));
            }
            (Method::Connect, Some(_), _) => return Err(Malformed::PseudoMissing),
            (Method::Connect, None, _) => return Err(Malformed::ConnectTarget),
            (_, Some(_), _) => return Err(Malformed::ProtocolWithoutConnect),
            (_, None, (Some(_), Some(b"*"), _)) if method != b"OPTIONS" => return Err(Malformed::Path),
            (_, None, (Some(_), Some(_), _)) => {}
            (_, None, _) => return Err(Malformed::PseudoMissing),
        }
        Content::new(fields.content_length(), end).map(Judged::Head)
    }

    /// What the status says about the content (section 8.1.1; RFC 9110, section 6.4.1).
    fn response(&self, asked: Method, end: EndStream) -> Result<Judged, Malformed> {
        let length = self.fields.content_length();
        match (self.fields.status().ok_or(Malformed::PseudoMissing)?, asked, end) {
            // 101 does not exist in HTTP/2 (section 8.6).
            (101, ..) => Err(Malformed::Status),
            (100..200, _, EndStream::Yes) => Err(Malformed::InterimWithEnd),
            (100..200, ..) => Ok(Judged::Interim),
            (200..300, Method::Connect, _) => Ok(Judged::Head(Content::Tunnel)),
            (204 | 304, ..) | (_, Method::Head, _) => Ok(Judged::Head(Content::None)),
            _ => Content::new(length, end).map(Judged::Head),
        }
    }
}

/// The values of pseudo-header fields, as far as this protocol defines them (section 8.3.1). Whether a request's target
/// is one that a proxy forwards is for the caller to decide.
fn check_pseudo(pseudo: Pseudo, value: &[u8]) -> Result<(), Malformed> {
    let (is_valid, malformed) = match pseudo {
        Pseudo::Method => (syntax::is_token(value), Malformed::Method),
        Pseudo::Scheme => (syntax::is_scheme(value), Malformed::Scheme),
        Pseudo::Authority => (syntax::is_printable(value) && !value.contains(&b'@'), Malformed::Authority),
        Pseudo::Path => ((value.starts_with(b"/") || value == b"*") && syntax::is_printable(value), Malformed::Path),
        Pseudo::Protocol => (syntax::is_token(value), Malformed::Protocol),
        Pseudo::Status => (syntax::status(value).is_some(), Malformed::Status),
    };
    if is_valid { Ok(()) } else { Err(malformed) }
}
