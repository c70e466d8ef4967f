//! Exports metrics, and a span for each sampled exchange, to an OpenTelemetry collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use mesh::workload::Workload;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::export::otlp::client::{CollectorClient, Failed};
use crate::export::otlp::messages::{
    KeyValue, MetricsRequest, Resource, ResourceMetrics, ResourceSpans, Scope, ScopeMetrics, ScopeSpans, Span, TraceRequest,
};
use crate::export::otlp::metrics::CountedInterval;
use crate::export::otlp::settings::{OtlpSettings, Signal};
use crate::export::otlp::spans::{Sampled, SpanSource};
use crate::identity::Identity;
use crate::ledger::collector::LedgerHandle;
use crate::recorder::exchange_bus::{ExchangeBus, Subscription};

mod client;
mod messages;
mod metrics;
pub mod sampler;
pub mod settings;
mod spans;

/// How often spans are sent. A person who looks for a trace waits for it.
const SPANS_INTERVAL: Duration = Duration::from_secs(1);

/// Spans that may wait to be sent, 2 MiB at most. The default of OpenTelemetry's own processors is the same.
const SPANS_WAITING_MAX: usize = 2048;

/// Spans in one message: about half a megabyte; collectors accept four.
const SPANS_PER_MESSAGE_MAX: usize = 512;

/// How many times a message is sent again, an interval apart, before it is given up.
const RETRIES_MAX: u32 = 5;

/// How long a drain waits for a collector to accept the rest, whatever the usual timeout is.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(2);

/// Counters of the export.
#[derive(Debug, Default)]
pub struct Exported {
    /// Spans that the collector has accepted.
    pub spans: AtomicU64,
    /// Spans that were sampled and not exported: there was no room, or the collector did not accept them.
    pub spans_dropped: AtomicU64,
    /// Metrics messages that the collector did not accept. The next one contains the same and more.
    pub metrics_failed: AtomicU64,
}

/// The exporter task.
pub struct Exporter {
    settings: OtlpSettings,
    client: CollectorClient,
    spans: Option<Subscription<SpanSource>>,
    unsent: Option<PendingExport>,
    ledger_handle: LedgerHandle,
    resource: Resource,
    epoch_ns: u64,
    exported: Arc<Exported>,
    given_up: u64,
    is_reported: bool,
}

/// A message that was not accepted yet.
struct PendingExport {
    request: TraceRequest,
    spans: u64,
    tries: u32,
}

impl Exporter {
    /// An exporter of the exchanges that pass `exchange_bus` from now on, and of the numbers in the ledger.
    pub fn open(
        settings: OtlpSettings,
        identity: &Identity,
        exchange_bus: &Arc<ExchangeBus>,
        ledger_handle: LedgerHandle,
        exported: Arc<Exported>,
    ) -> anyhow::Result<Self> {
        let client = CollectorClient::new(&settings);
        let spans = match settings.traces {
            Signal::Off => None,
            Signal::On => Some(exchange_bus.read(SPANS_WAITING_MAX, Sampled(settings.sampler())).context("export spans")?),
        };
        let resource = Resource { attributes: resource(&identity.workload, &settings) };
        let epoch_ns = identity.epoch;
        Ok(Self {
            settings,
            client,
            spans,
            unsent: None,
            ledger_handle,
            resource,
            epoch_ns,
            exported,
            given_up: 0,
            is_reported: false,
        })
    }

    /// Exports until drained, and then once more. A collector that is away is retried; nothing else waits for it.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut spans = tokio::time::interval(SPANS_INTERVAL);
        let mut metrics = tokio::time::interval(self.settings.metrics_interval);
        spans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics.tick().await; // The first tick is immediate, when there is nothing to export yet.
        loop {
            let sent = async {
                tokio::select! {
                    _ = spans.tick() => self.send_spans().await,
                    _ = metrics.tick() => self.send_metrics().await,
                }
            };
            if drain.run_until_cancelled(sent).await.is_none() {
                break;
            }
        }
        let last_words = async {
            self.send_spans().await;
            self.send_metrics().await;
        };
        if tokio::time::timeout(LAST_WORDS_TIMEOUT, last_words).await.is_err() {
            tracing::warn!("the collector of OpenTelemetry did not take the last numbers in time");
        }
    }

    /// Sends the waiting spans, message by message, until one is not accepted.
    async fn send_spans(&mut self) {
        self.count_dropped();
        for _ in 0..=SPANS_WAITING_MAX / SPANS_PER_MESSAGE_MAX {
            let Some(unsent) = self.unsent.take().or_else(|| self.next_message()) else { return };
            // It stays in `self.unsent` while it is sent: if a drain cancels this future, it is sent again.
            let unsent = self.unsent.insert(unsent);
            let failed = self.client.send_spans(unsent.request.clone()).await;
            unsent.tries += 1;
            let (count, is_over) = (unsent.spans, unsent.tries > RETRIES_MAX);
            let rejected = match failed {
                Ok(rejected) => rejected.min(count),
                Err(Failed { is_final: false, ref why }) if !is_over => return self.send(why),
                Err(Failed { ref why, .. }) => {
                    self.send(why);
                    count
                }
            };
            self.is_reported &= rejected > 0;
            self.unsent = None;
            self.given_up += rejected;
            self.exported.spans.fetch_add(count - rejected, Ordering::Relaxed);
            self.count_dropped();
        }
    }

    async fn send_metrics(&mut self) {
        if self.settings.metrics == Signal::Off {
            return;
        }
        self.ledger_handle.refresh().await;
        let counted = CountedInterval { from_ns: self.epoch_ns, to_ns: now_ns() };
        let metrics = self.ledger_handle.read(|ledger| counted.metrics(ledger));
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let resource_metrics = vec![ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics }];
        if let Err(Failed { why, .. }) = self.client.send_metrics(MetricsRequest { resource_metrics }).await {
            self.exported.metrics_failed.fetch_add(1, Ordering::Relaxed);
            self.send(&why);
        }
    }

    fn next_message(&mut self) -> Option<PendingExport> {
        let mut reported = Vec::new();
        let spans = self.spans.as_mut()?.take(SPANS_PER_MESSAGE_MAX, &mut reported) as u64;
        if spans == 0 {
            return None;
        }
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans: reported.into_iter().map(Span::from).collect() }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        Some(PendingExport { request: TraceRequest { resource_spans }, spans, tries: 0 })
    }

    fn count_dropped(&self) {
        let missed = self.spans.as_ref().map_or(0, Subscription::missed);
        self.exported.spans_dropped.store(missed + self.given_up, Ordering::Relaxed);
    }

    /// Logs the reason once, until something is accepted again.
    fn send(&mut self, why: &str) {
        if !self.is_reported {
            tracing::warn!("the collector of OpenTelemetry at {} does not take what we send: {why}", self.settings.endpoint);
            self.is_reported = true;
        }
    }
}

/// The resource attributes of the pod by the semantic conventions. Attributes from the environment take precedence.
fn resource(workload: &Workload, settings: &OtlpSettings) -> Vec<KeyValue> {
    let mut attributes = vec![
        ("service.name", workload.service.as_str()),
        ("service.namespace", &workload.namespace),
        ("service.instance.id", &workload.pod_uid),
        ("k8s.namespace.name", &workload.namespace),
        ("k8s.pod.name", &workload.pod),
        ("k8s.pod.uid", &workload.pod_uid),
        ("k8s.node.name", &workload.node),
    ];
    let resource = settings.resource();
    let reported: Vec<(&str, &str)> = resource.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    attributes.retain(|(key, value)| !value.is_empty() && reported.iter().all(|(reported, _)| reported != key));
    attributes.into_iter().chain(reported).map(|(key, value)| KeyValue::text(key, value)).collect()
}

fn scope() -> Scope {
    Scope { name: "sitio-sidecar".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
