//! Reads the address of the service, and refuses the sidecar's own port.

use std::net::SocketAddr;

use crate::config::settings::{EnvSettings, Wrong};
use crate::config::values;
use crate::target::ServiceAddr;

const CIRCLE: &str = "the port that the sidecar itself listens on, which would be a circle";

/// Reads the address of the service, given in full or by its port alone.
pub(super) fn target(
    settings: &mut EnvSettings,
    whole: Option<String>,
    port: Option<String>,
    listen: SocketAddr,
) -> Result<ServiceAddr, Wrong> {
    let (whole, port) = (settings.value(whole, &["TARGET"]), settings.value(port, &["TARGET_PORT", "target_port"]));
    let (target, told) = match (whole.parse(values::target)?, port.parse(values::port_to_dial)?) {
        (Some(_), Some(_)) => return Err(whole.wrong("only one of the two: there is a TARGET_PORT as well")),
        (Some(target), None) => (target, whole),
        (None, number) => (ServiceAddr::Loopback(number.unwrap_or(8087)), port),
    };
    match target {
        ServiceAddr::Loopback(number) if number == listen.port() => Err(told.wrong(CIRCLE)),
        ServiceAddr::Tcp(address)
            if address.port() == listen.port() && (address.ip().is_loopback() || address.ip() == listen.ip()) =>
        {
            Err(told.wrong(CIRCLE))
        }
        _ => Ok(target),
    }
}
