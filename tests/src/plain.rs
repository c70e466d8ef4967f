//! Clients of plain HTTP that wait for their answers: no proxy, and no certificate is looked for.

use client::trust;
use reqwest::blocking::{Client, ClientBuilder};

/// The beginnings of one.
pub fn client() -> ClientBuilder {
    trust::choose_ring();
    Client::builder().no_proxy().tls_certs_only([])
}
