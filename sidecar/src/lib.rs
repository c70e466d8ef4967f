//! The data plane: proxies a service's traffic, counts it per endpoint, and enforces the mesh's rules.
//!
//! As a library it is an [`Ambassador`] in front of a service, with [`Decorator`]s around it. A decorator has up to three hooks:
//! it sees requests before the service does, responses before the caller does, and the end of each exchange.

pub use crate::ambassador::Ambassador;
pub use crate::decorator::closures::{on_exchange, on_request, on_status};
pub use crate::decorator::not_found_page::NotFoundPage;
pub use crate::decorator::request::Request;
pub use crate::decorator::response::Response;
pub use crate::decorator::{Decorator, EndedExchange, FailureMode, Step};
pub use crate::head::answer::Answer;

pub mod ambassador;
pub mod body;
pub mod config;
pub mod control_client;
pub mod decorator;
pub mod decorator_file;
pub mod exchange;
pub mod export;
pub mod forwarding;
pub mod head;
pub mod http1;
pub mod http2;
pub mod identity;
pub mod ledger;
pub mod protocol;
pub mod recorder;
pub mod redirect;
pub mod resources;
pub mod rulebook;
mod setting_values;
pub mod sidecar;
pub mod socket;
pub mod tap;
pub mod target;
pub mod timeouts;
pub mod tls;
pub mod upstream;
pub mod worker;
