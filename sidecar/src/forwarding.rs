//! The optional fields that identify the downstream to the service, such as X-Forwarded-For and Via.

use std::fmt::Write;
use std::net::IpAddr;
use std::str::FromStr;

use crate::head::Version;
use crate::head::write::ForwardedProto;

/// Which fields are appended to a request. The sidecar never trusts these fields or decides by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one field that is wanted or not")]
pub struct Forwarding {
    /// `Via: 1.1 sitio` (RFC 9110, section 7.6.3).
    pub via: bool,
    /// `X-Forwarded-For`: the downstream's address, by convention.
    pub x_forwarded_for: bool,
    /// `X-Forwarded-Proto`: the scheme used by the downstream, by convention.
    pub x_forwarded_proto: bool,
    /// `Forwarded` (RFC 7239).
    pub forwarded: bool,
}

impl Forwarding {
    /// The names under which the fields are configured.
    pub const NAMES: [&'static str; 4] = ["via", "x-forwarded-for", "x-forwarded-proto", "forwarded"];

    /// Selects one more field. Returns false if no field has that name.
    pub fn choose(&mut self, name: &str) -> bool {
        match name {
            "via" => self.via = true,
            "x-forwarded-for" => self.x_forwarded_for = true,
            "x-forwarded-proto" => self.x_forwarded_proto = true,
            "forwarded" => self.forwarded = true,
            _ => return false,
        }
        true
    }

    /// The lines for all requests of one connection, each with its CR LF. A separate line appends to an
    /// existing list (RFC 9110, section 5.2).
    pub fn lines(self, address: IpAddr) -> Box<str> {
        let mut lines = String::new();
        if self.x_forwarded_for {
            let _ = write!(lines, "X-Forwarded-For: {address}\r\n");
        }
        if self.x_forwarded_proto {
            lines.push_str("X-Forwarded-Proto: http\r\n");
        }
        if self.forwarded {
            let node = match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("\"[{address}]\""),
            };
            let _ = write!(lines, "Forwarded: for={node};proto=http\r\n");
        }
        lines.into_boxed_str()
    }

    /// How to treat the `X-Forwarded-Proto` of a client.
    pub fn forwarded_proto(self) -> ForwardedProto {
        if self.x_forwarded_proto { ForwardedProto::Replaced } else { ForwardedProto::Passed }
    }

    /// The Via line with the version of the received request, or an empty string if Via is not selected.
    pub fn via_line(self, version: Version) -> &'static str {
        match version {
            _ if !self.via => "",
            Version::Http10 => "Via: 1.0 sitio\r\n",
            Version::Http11 => "Via: 1.1 sitio\r\n",
        }
    }
}

impl FromStr for Forwarding {
    type Err = String;

    /// Names of fields, separated by commas; `none` for none.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut forwarding = Self::default();
        let mut names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
        if text == "none" || names.all(|name| forwarding.choose(&name)) {
            Ok(forwarding)
        } else {
            Err(format!("some of {}, separated by commas, or none", Self::NAMES.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Forwarding {
        let mut forwarding = Forwarding::default();
        assert!(Forwarding::NAMES.iter().all(|name| forwarding.choose(name)));
        forwarding
    }

    #[test]
    fn nothing_is_said_unless_it_is_wanted() {
        assert_eq!(&*Forwarding::default().lines("10.0.0.1".parse().unwrap()), "");
        assert_eq!(Forwarding::default().via_line(Version::Http11), "");
        assert!(!Forwarding::default().choose("x-real-ip"));
    }

    #[test]
    fn the_downstream_is_named_as_each_field_wants_it() {
        let lines = all().lines("10.0.0.1".parse().unwrap());
        assert_eq!(&*lines, "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nForwarded: for=10.0.0.1;proto=http\r\n");
        let lines = all().lines("2001:db8::1".parse().unwrap());
        assert!(lines.contains("X-Forwarded-For: 2001:db8::1\r\n") && lines.contains("for=\"[2001:db8::1]\""), "{lines}");
        assert_eq!(all().via_line(Version::Http10), "Via: 1.0 sitio\r\n");
    }
}
