//! `split`: sends a stable share of clients to another address.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::field_edits::check_field;
use crate::invalid::{Invalid, require};

/// Bytes of the path of a Unix socket, with its end (unix(7)).
const PATH_BYTES_MAX: usize = 108;

/// Sends a share of clients to another address, such as a new version of the service in the same pod. A client stays on its
/// side, and moves to the other one at most once while the share only grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The other address: `127.0.0.1:8088`, `[::1]:8088` or `unix:/run/canary.sock`. It is on this machine: a rule must not
    /// make the sidecar a way to other machines.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "127.0.0.1:8088"))]
    pub to: SplitAddress,
    /// How many clients of a hundred go there, 1 to 100.
    pub percent: u8,
    /// By what a client is known.
    #[serde(default, skip_serializing_if = "ClientKey::is_caller")]
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "cookie:session"))]
    pub by: ClientKey,
}

/// An address on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SplitAddress {
    /// A port of the loopback.
    Loopback(SocketAddr),
    /// A socket in the file system.
    Unix(String),
}

impl TryFrom<String> for SplitAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const FORMS: &str = "such as 127.0.0.1:8088, [::1]:8088 or unix:/run/canary.sock";
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && path.len() < PATH_BYTES_MAX && !path.contains('\0');
            return if is_path { Ok(Self::Unix(path.to_owned())) } else { Err(format!("{text:?} is no address {FORMS}")) };
        }
        let address: SocketAddr = text.parse().map_err(|_| format!("{text:?} is no address {FORMS}"))?;
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(format!("{text:?} is not on this machine: it is an address {FORMS}"));
        }
        Ok(Self::Loopback(address))
    }
}

impl From<SplitAddress> for String {
    fn from(address: SplitAddress) -> Self {
        match address {
            SplitAddress::Loopback(address) => address.to_string(),
            SplitAddress::Unix(path) => format!("unix:{path}"),
        }
    }
}

/// By what a client is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientKey {
    /// `caller`: its address. Clients behind one proxy are one.
    #[default]
    Caller,
    /// `cookie:NAME`: the value of this cookie. A client without it is known by its address.
    Cookie(String),
    /// `header:NAME`: the value of this field. A client without it is known by its address.
    Header(String),
}

impl ClientKey {
    fn is_caller(&self) -> bool {
        *self == Self::Caller
    }
}

impl TryFrom<String> for ClientKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The name of a cookie is a token, as that of a field is (RFC 6265, section 4.1.1).
        match text.split_once(':') {
            None if text == "caller" => Ok(Self::Caller),
            Some(("cookie", name)) if check_field(name, "").is_ok() => Ok(Self::Cookie(name.to_owned())),
            Some(("header", name)) if check_field(name, "").is_ok() => Ok(Self::Header(name.to_owned())),
            _ => Err(format!("{text:?} is none of caller, cookie:NAME and header:NAME")),
        }
    }
}

impl From<ClientKey> for String {
    fn from(key: ClientKey) -> Self {
        match key {
            ClientKey::Caller => "caller".to_owned(),
            ClientKey::Cookie(name) => format!("cookie:{name}"),
            ClientKey::Header(name) => format!("header:{name}"),
        }
    }
}

impl Split {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require((1..=100).contains(&self.percent), || "split: `percent` is 1 to 100".to_owned())
    }
}
