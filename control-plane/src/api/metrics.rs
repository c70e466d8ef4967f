//! `/metrics`: the whole mesh by service and endpoint, the control plane itself, and what it had to discard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use exposition::endpoints::{EndpointFamilies, StatusDetail};
use exposition::format::Format;
use exposition::page::{Exposition, FamilyKind, Labels, SampleValue};

use crate::api::problem::ProblemResponse;
use crate::clock::now_ms;
use crate::exposed;
use crate::model::durability::Durability;
use crate::model::pod::PodState;
use crate::model::principal::Namespaces;
use crate::model::recovery_progress::RecoveryWaiting;
use crate::model::replicas::Replicas;
use crate::query::reader::Reader;
use crate::state::AppState;
use crate::store::metrics_store::StoreSize;
use mesh::report::GIVE_UP_AFTER;

/// How long a scrape waits until its counters are on disk. Prometheus waits ten seconds by default, and a disk that
/// hangs must not hide the numbers that would show it.
const WRITE_WITHIN: Duration = Duration::from_secs(2);

/// Returns the metrics of the mesh and of the control plane, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    responses(
        (status = 200, description = "The text format 0.0.4.", body = String, content_type = "text/plain"),
        (status = 503, description = "Not every pod that was attached before a restart has reported since, so counters would be lower than they were; this ends 30 s after the restart at the latest.", body = String, content_type = "text/plain", headers(("Retry-After" = u64, description = "Seconds."))),
    )
)]
pub(super) async fn metrics(reader: Reader, headers: HeaderMap) -> Result<Response, ProblemResponse> {
    let state = reader.whole_mesh()?;
    if let Some(waiting) = state.recovery.waiting(Instant::now()) {
        return Ok(incomplete(waiting).into_response());
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::preferred(accept);
    let size = state.store_size().await;
    let exposed = state.exposed.page(state.timeline.all(), state.recovery.progress(Instant::now()));
    write(state).await;
    Ok(([(header::CONTENT_TYPE, format.content_type())], page(state, exposed, size, now_ms()).encode(format)).into_response())
}

/// Counters would be lower than before the restart. Prometheus would take that for a reset and add all of them again.
fn incomplete(waiting: RecoveryWaiting) -> impl IntoResponse {
    let why = format!("{waiting}; metrics follow when all have, at the latest {} s after it\n", GIVE_UP_AFTER.as_secs());
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why)
}

/// Writes the counters to disk before they are exposed; otherwise a crash could make them fall. If the write fails,
/// they are exposed anyway: the next scrape tries again.
async fn write(state: &Arc<AppState>) {
    let writing = Arc::clone(state);
    let written = tokio::task::spawn_blocking(move || {
        writing.record_attached(now_ms(), Instant::now())?;
        writing.exposed.write(writing.window_queue.metrics_store.as_ref())
    });
    match tokio::time::timeout(WRITE_WITHIN, written).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "counters of /metrics are not on disk"),
        Ok(Err(panic)) => tracing::error!(%panic, "counters of /metrics are not on disk"),
        Err(_) => tracing::warn!("counters of /metrics are not on disk: the disk takes longer than {WRITE_WITHIN:?}"),
    }
}

fn page(state: &AppState, exposed: exposed::ExposedPage, size: Option<StoreSize>, now_ms: u64) -> Exposition {
    let mut page = Exposition::default();
    let folded = exposed.folded;
    endpoints(&mut page, exposed);
    page.gauge("sitio_endpoints_folded", "Endpoints that this page merges into one, because there are too many.", folded);
    pods(&mut page, state, now_ms);
    let (counts, rules) = (&state.stream_counts, state.rules.state());
    page.gauge("sitio_streams_open", "Streams of sidecars that are open.", counts.open.so_far());
    page.gauge("sitio_endpoints", "Endpoints counted separately.", state.timeline.all().len() as u64);
    page.gauge("sitio_rules_in_force", "Rules in force.", rules.in_force().count() as u64);
    page.gauge("sitio_rules_revision", "The newest revision of the rules.", rules.revision);
    page.counter("sitio_audit_entries", "Audit entries ever written.", rules.audit_entries);
    page.gauge("sitio_taps_open", "Taps that are open.", state.taps.count() as u64);
    page.counter("sitio_frames", "Frames taken in from sidecars.", counts.frames.so_far());
    kept(&mut page, state);
    if let Some(size) = size {
        takes(&mut page, size);
    }
    notifications(&mut page, state);
    if let Some(known) = state.replicas() {
        replicas(&mut page, &known);
    }
    discarded(&mut page, state);
    page
}

/// The lead of this replica, and how far the others are.
fn replicas(page: &mut Exposition, replicas: &Replicas) {
    page.gauge("sitio_replica_leading", "Whether this control plane leads.", 1);
    page.gauge("sitio_replica_log_applied", "The last message of the log that is applied.", replicas.applied);
    let behind = replicas.last.saturating_sub(replicas.applied);
    page.gauge("sitio_replica_log_behind", "Messages of the log that are not applied yet.", behind);
    let is_reachable = replicas.nats_unreachable_since_ms.is_none();
    page.gauge("sitio_replica_nats_connected", "Whether NATS is reachable.", u64::from(is_reachable));
}

/// The notices, and their messages by channel.
fn notifications(page: &mut Exposition, state: &AppState) {
    let firing = state.notifications.list(&Namespaces::All).firing.len() as u64;
    page.gauge("sitio_notices_firing", "Notices that fire.", firing);
    let channels = state.notifications.channels();
    let about = "Messages about notices since the start, by channel and result; a failed attempt is repeated.";
    let family = page.family(FamilyKind::Counter, "sitio_notifications", about);
    for (channel, _, counts) in &channels {
        let results = [
            ("delivered", counts.delivered),
            ("failed", counts.failed),
            ("given_up", counts.given_up),
            ("suppressed", counts.suppressed),
        ];
        for (result, count) in results {
            family.add(vec![("channel", channel.clone()), ("result", result.to_owned())], SampleValue::Count(count));
        }
    }
    let family = page.family(FamilyKind::Gauge, "sitio_notifications_queued", "Messages that are not delivered yet, by channel.");
    for (channel, _, counts) in &channels {
        family.add(vec![("channel", channel.clone())], SampleValue::Whole(counts.queued as u64));
    }
}

/// How much of the counts is on disk.
fn kept(page: &mut Exposition, state: &AppState) {
    let (counts, is_durable) = (&state.window_queue.counts, state.window_queue.durability() == Durability::Durable);
    page.gauge(
        "sitio_store_durable",
        "1 if what was counted is on disk a moment later, 0 if it is kept in memory.",
        u64::from(is_durable),
    );
    page.counter("sitio_store_write_failures", "Failed attempts to store counts, which were repeated.", counts.failures.so_far());
    page.counter("sitio_windows_kept", "Windows of sidecars that were stored.", counts.written.so_far());
    page.counter(
        "sitio_hits_not_durable",
        "Hits that were reported, and whose sidecar ended before it could hand them over for good.",
        state.fleet.hits_not_kept(),
    );
}

/// The size of the store on disk. The disk has to hold the file; the limit applies to the slots, and free pages of the
/// file are reused.
fn takes(page: &mut Exposition, size: StoreSize) {
    page.gauge("sitio_store_file_bytes", "Bytes of the store's file, with pages in it that are free.", size.file_bytes);
    let family = page.family(FamilyKind::Gauge, "sitio_store_slot_bytes", "Bytes of the slots in the store, by their length.");
    for (length, bytes) in ["10s", "1m", "1h"].into_iter().zip(size.slot_bytes) {
        family.add(vec![("slot", length.to_owned())], SampleValue::Whole(bytes));
    }
}

/// Every endpoint, added up over its pods, with the names of OpenTelemetry's conventions.
fn endpoints(page: &mut Exposition, exposed: exposed::ExposedPage) {
    let mut endpoints = EndpointFamilies::new(StatusDetail::Classes);
    for row in &exposed.rows {
        endpoints.add(&whose(&row.name.namespace, &row.name.service), &row.name.endpoint, &row.golden, row.in_flight);
    }
    endpoints.put_on(page);
}

/// The labels of the service, with OpenTelemetry's names.
fn whose(namespace: &str, service: &str) -> Labels {
    vec![("service_namespace", namespace.to_owned()), ("service_name", service.to_owned())]
}

fn pods(page: &mut Exposition, state: &AppState, now_ms: u64) {
    let mut pods = BTreeMap::from([("reporting", 0), ("silent", 0), ("gone", 0)]);
    for pod in state.fleet.pods().iter() {
        let state = match pod.view(now_ms).state {
            PodState::Reporting => "reporting",
            PodState::Silent => "silent",
            PodState::Gone => "gone",
        };
        *pods.entry(state).or_default() += 1;
    }
    let family = page.family(FamilyKind::Gauge, "sitio_pods", "Pods remembered, by whether they report.");
    for (state, count) in pods {
        family.add(vec![("state", state.to_owned())], SampleValue::Whole(count));
    }
}

fn discarded(page: &mut Exposition, state: &AppState) {
    let (counts, counts_of_windows) = (&state.stream_counts, &state.window_queue.counts);
    let family = page.family(FamilyKind::Counter, "sitio_discarded", "What was turned away or not kept, by kind.");
    for (what, count) in [
        ("frame_refused", counts.frames_refused.so_far()),
        ("frame_unread", counts.frames_unread.so_far()),
        ("report_repeated", counts.reports_repeated.so_far()),
        ("window_repeated", counts_of_windows.repeated.so_far()),
        ("window_without_room", counts_of_windows.no_room.so_far()),
        ("stream_without_token", counts.strangers.so_far()),
        ("stream_over_limit", counts.crowded_out.so_far()),
        ("stream_over_address_limit", counts.address_crowded.so_far()),
        ("connection_over_address_limit", counts.connections_crowded.so_far()),
        ("stream_not_newest", state.fleet.streams_refused()),
        ("endpoint_over_limit", state.timeline.counted_as_other()),
        ("endpoint_given_back", state.timeline.evicted()),
        ("slot_without_room", state.timeline.slot_quota().refused.so_far()),
        ("report_without_room", state.timeline.process_quota().refused.so_far()),
        ("history_reader_over_limit", state.histories.refused.so_far()),
        ("failure_told_over_limit", state.histories.pushed.no_room.so_far()),
        ("history_unanswered", state.histories.unanswered.so_far()),
        ("tap_over_limit", state.taps.refused.so_far()),
        ("tap_exchange_unasked", state.taps.unasked.so_far()),
        ("notice_without_room", state.notifications.without_room()),
        ("pod_forgotten", state.fleet.pods_forgotten()),
        ("audit_entry", state.rules.state().audit_entries.saturating_sub(crate::model::audit::ENTRIES_MAX)),
    ] {
        family.add(vec![("what", what.to_owned())], SampleValue::Count(count));
    }
}
