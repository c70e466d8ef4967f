//! The admission webhook: the Kubernetes API server sends each new pod, and gets back the patch that adds the sidecar.
//!
//! A pod is never refused: whatever goes wrong here, it starts without a sidecar, with a warning for its creator.

pub(crate) mod ca_bundle;
pub(crate) mod review;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use inject::settings::{AuthoritySource, InjectionSettings};
use platform::connection_slots::Bounds;
use platform::http::{PortLimits, serve_over};
use platform::port_connections::PortConnections;
use tokio_util::sync::CancellationToken;

use crate::tls::{ServerCertificate, TlsTransport, acceptor};
use crate::webhook::settings::{SidecarTrust, WebhookOptions};

/// The largest review that is read, in bytes. It holds one pod, and Kubernetes stores objects of up to 1.5 MiB.
pub const REVIEW_BYTES_MAX: usize = 3 << 20;

/// The path that the webhook's configuration names.
const PATH: &str = "/inject";

/// The limits of the port. Its only client is the API server, of which a cluster has a few.
const LIMITS: PortLimits = PortLimits {
    connections: Bounds { all: 128, of_address: 64, reserve: 0 },
    // An API server keeps connections open between reviews.
    head_within: Duration::from_secs(120),
    // The API server waits ten seconds for the whole answer.
    body_within: Duration::from_secs(10),
    write_within: Duration::from_secs(10),
    head_bytes_max: 64 << 10,
    lasts: None,
    probes: &[],
};

/// Serves reviews, renews the certificate, and keeps the CA bundle current, until drained.
pub async fn run(
    options: WebhookOptions,
    connections: impl Into<PortConnections>,
    drain: CancellationToken,
) -> anyhow::Result<()> {
    let (data_dir, names) = (options.data_dir, options.names);
    let opening = tokio::task::spawn_blocking(move || ServerCertificate::of_own_ca(&data_dir, names));
    let certificate = opening.await.context("make the webhook's certificate")?.context("make the webhook's certificate")?;
    let bundle = certificate.own_ca().unwrap_or_default().to_owned();
    let mut injection = options.injection;
    if options.trust == SidecarTrust::OwnCa {
        injection.credentials.authority = AuthoritySource::Text(bundle.clone());
    }
    let tls = TlsTransport(acceptor(Arc::clone(&certificate), b"http/1.1").context("configure TLS")?);
    tokio::join!(
        serve_over(connections, tls, routes(injection), LIMITS, drain.clone()),
        certificate.keep_current(drain.clone()),
        ca_bundle::keep(bundle, options.api, options.configuration, drain),
    );
    Ok(())
}

/// The page for reviews; anything else is answered with what to send where.
fn routes(settings: InjectionSettings) -> Router {
    Router::new()
        .route(PATH, post(admit))
        .layer(DefaultBodyLimit::max(REVIEW_BYTES_MAX))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "reviews are sent by POST\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "this is Sitio's admission webhook: POST an AdmissionReview to /inject\n"))
        .with_state(Arc::new(settings))
}

async fn admit(State(settings): State<Arc<InjectionSettings>>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let words = format!("the review is larger than {} MiB; no pod is\n", REVIEW_BYTES_MAX >> 20);
            return (StatusCode::PAYLOAD_TOO_LARGE, words).into_response();
        }
        Err(rejection) => return rejection.into_response(),
    };
    match review::answer(&body, &settings) {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, format!("not a review that can be answered: {why}\n")).into_response(),
    }
}
