//! A port whose connections go to another one, as `8000:8080`.

use std::num::NonZeroU16;
use std::str::FromStr;

/// One redirected port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedirectedPort {
    /// The port that clients connect to.
    pub(super) from: NonZeroU16,
    /// The port that gets their connections.
    pub(super) to: NonZeroU16,
}

impl FromStr for RedirectedPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ports = text.split_once(':').and_then(|(from, to)| Some(Self { from: port(from)?, to: port(to)? }));
        let ports = ports.ok_or("expected two ports from 1 to 65535, such as 8000:8080")?;
        if ports.from == ports.to { Err("a port cannot be redirected to itself") } else { Ok(ports) }
    }
}

/// A port as digits alone: `parse` would accept a plus sign.
fn port(text: &str) -> Option<NonZeroU16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
