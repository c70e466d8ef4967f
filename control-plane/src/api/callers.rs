//! `/api/v1/endpoints/{id}/callers`: the callers of an endpoint.

use std::time::Duration;

use api::callers::{Caller, CallerKind, CallerPod, Callers};
use axum::Json;
use axum::extract::Path;

use crate::api::history::unknown_endpoint;
use crate::api::problem::ProblemResponse;
use crate::api::units::{instant, rate};
use crate::clock::now_ms;
use crate::counts::fleet::endpoint_callers::CallerCounts;
use crate::counts::timeline::series::Series;
use crate::counts::timeline::time_range::TimeRange;
use crate::query::callers::{CallingPod, ResolvedCaller, Who};
use crate::query::reader::Reader;

/// The window of the rates.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Lists the callers of an endpoint: services where addresses belong to pods, else addresses. Those with most requests come
/// first; all callers without a row of their own come last.
#[utoipa::path(
    get,
    path = "/api/v1/endpoints/{id}/callers",
    operation_id = "listCallers",
    params(("id" = String, Path, description = "The endpoint's id, as in the list.", example = "ef25efbf1f03e")),
    responses(
        (status = 200, description = "Summed over the pods, each of which distinguishes 32 callers of an endpoint. The hits of all callers add up to `hits`; `hits` and `unknown_hits` add up to the hits of the endpoint.", body = Callers),
        (status = 404, description = "No such endpoint."),
    )
)]
pub(super) async fn of_endpoint(Path(id): Path<String>, reader: Reader) -> Result<Json<Callers>, ProblemResponse> {
    let now_ms = now_ms();
    let series = &reader.one_series(&id).ok_or_else(|| unknown_endpoint(&id))?;
    let called_by = reader.callers(std::slice::from_ref(series), now_ms);
    let rps = rps(series, reader.counting_since_ms(), now_ms);
    let whole = Whole { sum: called_by.sum, rps };
    Ok(Json(Callers {
        id,
        namespace: series.namespace().to_owned(),
        service: series.service().to_owned(),
        method: series.endpoint.method().to_owned(),
        route: series.endpoint.route().to_owned(),
        taken_at: instant(now_ms),
        hits: called_by.sum.calls.hits,
        unknown_hits: called_by.unknown_hits,
        rps: rate(rps),
        callers: called_by.callers.into_iter().map(|caller| whole.caller(caller)).collect(),
    }))
}

fn rps(series: &Series, started_ms: u64, now_ms: u64) -> f64 {
    let stretch = TimeRange::last(RATE_WINDOW, now_ms);
    series.between(stretch).hits as f64 / stretch.covered_s(started_ms, now_ms).max(1.0)
}

/// The totals that the shares of callers refer to.
#[derive(Debug, Clone, Copy)]
struct Whole {
    sum: CallerCounts,
    rps: f64,
}

/// The requests of one caller, as the API returns them.
struct Counts {
    hits: u64,
    share: f64,
    failures: u64,
    rps: f64,
    last_seen: String,
}

impl Whole {
    fn caller(self, caller: ResolvedCaller) -> Caller {
        let (kind, namespace, service, address) = match caller.who {
            Who::Service { namespace, service } => (CallerKind::Service, Some(namespace), Some(service), None),
            Who::Address(address) => (CallerKind::Address, None, None, Some(address.to_string())),
            Who::Others => (CallerKind::Other, None, None, None),
        };
        let pods = caller.pods.into_iter().map(|pod| self.pod(pod)).collect();
        let Counts { hits, share, failures, rps, last_seen } = self.counts(caller.received);
        Caller { kind, namespace, service, address, hits, share, failures, rps, last_seen, pods }
    }

    fn pod(self, CallingPod { pod, address, received }: CallingPod) -> CallerPod {
        let Counts { hits, share, failures, rps, last_seen } = self.counts(received);
        CallerPod { pod, address: address.to_string(), hits, share, failures, rps, last_seen }
    }

    fn counts(self, received: CallerCounts) -> Counts {
        Counts {
            hits: received.calls.hits,
            share: (received.share_of(self.sum) * 1e4).round() / 1e4,
            failures: received.calls.failures,
            rps: rate(self.rps * received.share_lately_of(self.sum)),
            last_seen: instant(received.calls.last_ms),
        }
    }
}
