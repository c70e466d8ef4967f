//! Builds blocking HTTP clients without a proxy and without certificates.

use client::trust;
use reqwest::blocking::{Client, ClientBuilder};

/// A builder of such a client.
pub fn client() -> ClientBuilder {
    trust::choose_ring();
    Client::builder().no_proxy().tls_certs_only([])
}
