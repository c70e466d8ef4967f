//! Sample data for tests of the output.

use api::endpoints::{Endpoint, EndpointState, Endpoints};
use api::history::Exchange;
use api::pods::{ConfirmedRevision, Pod, PodState, ServiceListener};
use serde_json::json;

/// An endpoint with a hundred requests, one of which failed.
pub(crate) fn endpoint(service: &str, method: &str, route: &str) -> Endpoint {
    let output = json!({
        "id": format!("e{service}{method}{route}"), "namespace": "default", "service": service, "method": method, "route": route,
        "file": false, "hits": 100, "by_rule": 0, "failed": 1, "failed_by_sitio": 0, "client_gone": 0, "avg_ms": 12.5,
        "min_ms": 0.84, "p50_ms": 9.1, "p90_ms": 20.0, "p95_ms": 212.0, "p99_ms": 1240.0, "p999_ms": null, "max_ms": 1300.0,
        "first_byte_avg_ms": 3.0, "first_byte_max_ms": 4.0, "rps": 1.667, "blocked_rps": 0.0,
        "status": {"200": 97, "404": 2, "500": 1}, "bytes_in": 0, "bytes_in_max": 0, "bytes_out": 12_000, "bytes_out_max": 900,
        "in_flight": 1, "first_seen": "2025-11-20T14:00:00.000Z", "last_seen": "2025-11-20T14:07:41.042Z",
        "state": EndpointState::On, "rule": null, "pods": ["a-0", "a-1"],
    });
    serde_json::from_value(output).expect("the sample is an endpoint")
}

/// An API response with these endpoints.
pub(crate) fn answer(endpoints: Vec<Endpoint>) -> Endpoints {
    Endpoints {
        window: "1m".into(),
        from: None,
        to: None,
        taken_at: "2025-11-20T14:07:41.500Z".into(),
        covered_s: 60.0,
        recovery: None,
        endpoints,
    }
}

/// A healthy pod of the service `shop`.
pub(crate) fn pod(name: &str) -> Pod {
    Pod {
        pod: name.into(),
        pod_uid: String::new(),
        claimants: 1,
        namespace: "default".into(),
        service: "shop".into(),
        node: String::new(),
        version: env!("CARGO_PKG_VERSION").into(),
        state: PodState::Reporting,
        connected: true,
        connected_at: None,
        heard_at: "2025-11-20T14:00:00Z".into(),
        rps: 0.0,
        resources: None,
        clock_offset_ms: None,
        clock_error_ms: None,
        revision_wanted: 3,
        confirmed: Some(ConfirmedRevision { revision: 3, took_ms: 1 }),
        service_listens: Some(ServiceListener::Listening),
        service_restarts: 0,
        oom_kills: 0,
        refused: None,
    }
}

/// An exchange with status 502 and the given outcome.
pub(crate) fn exchange(outcome: &str) -> Exchange {
    Exchange {
        started: "2025-11-20T14:00:00.000Z".into(),
        started_ms: 1_763_647_200_000,
        path: "/export".into(),
        status: 502,
        reason: "Bad Gateway".into(),
        outcome: outcome.into(),
        took_ms: 0.1,
        first_byte_ms: None,
        bytes_in: 0,
        bytes_out: 179,
        pod: "legacy-0".into(),
        told_before: false,
        caller: None,
        trace_id: None,
        rule: None,
    }
}
