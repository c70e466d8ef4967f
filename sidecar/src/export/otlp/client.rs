//! Sends OTLP messages to a collector by gRPC, and classifies its responses.

use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::export::otlp::messages::{Answer, MetricsRequest, TraceRequest};
use crate::export::otlp::settings::OtlpSettings;
use crate::tls::{ClientTls, advice};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A connection to the collector, made on demand and made again when it is lost. Certificates are read each time.
pub(super) struct CollectorClient {
    endpoint: Endpoint,
    tls: Option<ClientTls>,
    channel: Option<Channel>,
    headers: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    timeout: Duration,
}

/// Why a message was not accepted.
#[derive(Debug)]
pub(super) struct Failed {
    /// Whether it would be refused again.
    pub(super) is_final: bool,
    /// The reason, in one line.
    pub(super) why: String,
}

impl CollectorClient {
    pub(super) fn new(settings: &OtlpSettings) -> Self {
        Self {
            endpoint: Endpoint::from(settings.endpoint.clone()).connect_timeout(settings.timeout),
            tls: (settings.endpoint.scheme_str() == Some("https")).then(|| settings.tls()),
            channel: None,
            headers: settings.headers.0.clone(),
            timeout: settings.timeout,
        }
    }

    fn channel(&mut self) -> Result<Channel, Failed> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let mut endpoint = self.endpoint.clone();
        if let Some(tls) = &self.tls {
            let unusable =
                |why: anyhow::Error| Failed { is_final: false, why: format!("use the collector's certificates: {why:#}") };
            let config = tls.config().map_err(unusable)?;
            endpoint = endpoint.tls_config(config).map_err(|why| unusable(why.into()))?;
        }
        Ok(self.channel.insert(endpoint.connect_lazy()).clone())
    }

    /// Sends spans, and returns how many of them the collector has rejected.
    pub(super) async fn send_spans(&mut self, request: TraceRequest) -> Result<u64, Failed> {
        self.send(request, TRACES).await
    }

    /// Sends metrics, and returns how many of their points the collector has rejected.
    pub(super) async fn send_metrics(&mut self, request: MetricsRequest) -> Result<u64, Failed> {
        self.send(request, METRICS).await
    }

    async fn send<M: prost::Message + 'static>(&mut self, message: M, path: &'static str) -> Result<u64, Failed> {
        let channel = self.channel()?;
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        let sending = async {
            let mut grpc = Grpc::new(channel);
            grpc.ready().await.map_err(|why| Status::unavailable(describe(&why)))?;
            grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, Answer>::default()).await
        };
        let sent = match tokio::time::timeout(self.timeout, sending).await {
            Ok(Ok(answer)) => Ok(rejected(&answer.into_inner())),
            Ok(Err(status)) => Err(status.into()),
            Err(_) => Err(Failed { is_final: false, why: format!("no answer within {:?}", self.timeout) }),
        };
        if sent.is_err() {
            self.channel = None;
        }
        sent
    }
}

fn rejected(answer: &Answer) -> u64 {
    answer.partial_success.as_ref().map_or(0, |partial| u64::try_from(partial.rejected).unwrap_or(0))
}

impl From<Status> for Failed {
    /// The protocol defines which statuses may be retried (OTLP, "Failures").
    fn from(status: Status) -> Self {
        let is_final = !matches!(
            status.code(),
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
                | Code::ResourceExhausted
        );
        let why = if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() };
        Self { is_final, why }
    }
}

/// Formats the root cause of an error, which contains the reason.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(advice) = advice(error, "OTEL_EXPORTER_OTLP_CERTIFICATE") {
        return advice;
    }
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
