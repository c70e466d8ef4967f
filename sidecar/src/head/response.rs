//! Reads the head of the service's answer, as strictly as a request's.

use crate::head::fields::Connectivity;
use crate::head::{Fault, Framing, HEAD_BYTES_MAX, Parsed, Slots, Version, lines_end_properly};

/// The head of an answer.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// The status, 100 to 599.
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: &'b str,
    /// The version of the service.
    pub version: Version,
    /// All fields in their order.
    pub fields: &'h [httparse::Header<'b>],
    /// What they say about the connection.
    pub connectivity: Connectivity<'b>,
}

/// Whether the answer is to a HEAD request, which never has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// HEAD.
    HeadOnly,
    /// Any other method.
    Whole,
}

impl ResponseHead<'_, '_> {
    /// How the body ends (RFC 9112, section 6.3).
    pub fn framing(&self, asked: Asked) -> Framing {
        if asked == Asked::HeadOnly || self.is_interim() || self.status == 204 || self.status == 304 {
            return Framing::Empty;
        }
        self.connectivity.framing(Framing::UntilClose)
    }

    /// Whether the rules alone say that no body follows, while the fields announce one. A service that does not know the
    /// rules sends it all the same, maybe late, and to the next exchange it would look like an answer.
    pub fn announces_in_vain(&self, asked: Asked) -> bool {
        match (asked, self.status) {
            (Asked::HeadOnly, _) => self.connectivity.framing(Framing::UntilClose) != Framing::Empty,
            (Asked::Whole, 204 | 304) => self.connectivity.framing(Framing::Empty) != Framing::Empty,
            (Asked::Whole, _) => false,
        }
    }

    /// Whether another head follows for the same request (RFC 9110, section 15.2).
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// Whether the service keeps the connection.
    pub fn is_persistent(&self) -> bool {
        match self.version {
            Version::Http11 => !self.connectivity.close,
            Version::Http10 => self.connectivity.keep_alive && !self.connectivity.close,
        }
    }
}

/// Reads a head from the beginning of `input`.
pub fn parse<'h, 'b>(input: &'b [u8], slots: &'h mut Slots<'b>) -> Parsed<ResponseHead<'h, 'b>> {
    // `httparse` skips empty lines here too, but nothing may stand before a status line.
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return Parsed::Faulty(Fault::bad("an empty line before the status line"));
    }
    let mut response = httparse::Response::new(&mut []);
    match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, slots) {
        Ok(httparse::Status::Complete(length)) if length > HEAD_BYTES_MAX => {
            Parsed::Faulty(Fault::bad("the head is over 64 KiB"))
        }
        Ok(httparse::Status::Complete(length)) => match judge(response, &input[..length]) {
            Ok(head) => Parsed::Complete(head, length),
            Err(fault) => Parsed::Faulty(fault),
        },
        Ok(httparse::Status::Partial) if input.len() >= HEAD_BYTES_MAX => Parsed::Faulty(Fault::bad("the head is over 64 KiB")),
        Ok(httparse::Status::Partial) if lines_end_properly(input) => Parsed::Partial,
        Ok(httparse::Status::Partial) => Parsed::Faulty(Fault::bad("a line ends in LF alone")),
        Err(httparse::Error::TooManyHeaders) => Parsed::Faulty(Fault::bad("the head has over 128 fields")),
        Err(_) => Parsed::Faulty(Fault::bad("the head is malformed")),
    }
}

fn judge<'h, 'b>(response: httparse::Response<'h, 'b>, head: &'b [u8]) -> Result<ResponseHead<'h, 'b>, Fault> {
    if !lines_end_properly(head) {
        return Err(Fault::bad("a line ends in LF alone"));
    }
    let version = if response.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let status = response.code.filter(|status| (100..600).contains(status)).ok_or(Fault::bad("the status is not 100 to 599"))?;
    let fields: &'h [httparse::Header<'b>] = response.headers;
    let connectivity = Connectivity::read(fields, version)?;
    Ok(ResponseHead { status, reason: response.reason.unwrap_or_default(), version, fields, connectivity })
}

#[cfg(test)]
mod tests;
