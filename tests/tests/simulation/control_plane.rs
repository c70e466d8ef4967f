//! The simulated control plane host: real gRPC server, fleet, timeline, window queue and rules, and a store on disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use control_plane::clock::now_ms;
use control_plane::counts::fleet::Fleet;
use control_plane::grpc;
use control_plane::grpc::admission::{AdmissionPolicy, PlaintextPolicy};
use control_plane::model::principal::Principal;
use control_plane::model::window::QueryWindow;
use control_plane::query::reader::Reader;
use control_plane::state::AppState;
use control_plane::store::metrics_store::StoreView;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failing_store::{CommitFaults, FailingStore};
use crate::network::Listener;

/// Reads the state of the running control plane. Holds only a weak reference: a crash must close the store.
#[derive(Clone, Default)]
pub(crate) struct ControlPlaneProbe(Arc<Mutex<Weak<AppState>>>);

impl ControlPlaneProbe {
    /// The hits of a route, as pages and API show them; `None` while no control plane runs.
    pub(crate) fn hits(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let snapshot = reader(&plane).snapshot(QueryWindow::All, None, now_ms());
        let rows = snapshot.endpoints.iter().filter(|row| row.endpoint.route() == route);
        Some(rows.map(|row| row.now.hits).sum())
    }

    /// The hits of a route that were ever reported, including those lost since; `None` while no control plane runs.
    pub(crate) fn reported_hits(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let series = plane.timeline.all().into_iter().filter(|series| series.endpoint.route() == route);
        Some(series.map(|series| series.lifetime_totals().hits).sum())
    }

    /// The hits of a route that are attributed to callers; `None` while no control plane runs.
    pub(crate) fn attributed_hits(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let all = reader(&plane).callers_by_endpoint(now_ms());
        let series = plane.timeline.all().into_iter().filter(|series| series.endpoint.route() == route);
        Some(series.filter_map(|series| Some(all.get(&*series.id)?.sum.calls.hits)).sum())
    }

    /// The hits of a route that are on disk; `None` while no control plane runs.
    pub(crate) fn durable_hits(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let mut hits = 0;
        let mut add_up = |view: &dyn StoreView| {
            hits = view.series()?.values().filter(|kept| kept.name.endpoint.route() == route).map(|kept| kept.total.hits).sum();
            Ok(())
        };
        plane.window_queue.metrics_store.view(&mut add_up).unwrap();
        Some(hits)
    }

    /// The hits that the control plane reports as lost: reported by killed sidecars, and never written to disk.
    pub(crate) fn lost_hits(&self) -> Option<u64> {
        Some(self.0.lock().unwrap().upgrade()?.fleet.hits_not_kept())
    }
}

/// Runs a control plane until its host crashes.
pub(crate) async fn run(folder: PathBuf, commit_faults: CommitFaults, probe: ControlPlaneProbe) -> turmoil::Result {
    let (store, fleet) = (Arc::new(FailingStore::open(&folder, commit_faults)?), Fleet::new(Duration::from_secs(3600)));
    let drain = CancellationToken::new();
    let (plane, scribe) = AppState::open(store, fleet, ([0, 0, 0, 0], 0).into(), drain.clone())?;
    let plane = Arc::new(plane);
    *probe.0.lock().unwrap() = Arc::downgrade(&plane);
    let admission = AdmissionPolicy {
        token: None,
        service_accounts: None,
        plaintext: PlaintextPolicy::Anywhere,
        streams_per_address_max: 100,
    };
    let mut writing = JoinSet::new();
    let fleet = Arc::clone(&plane.fleet);
    writing.spawn(scribe.run(move || fleet.settle_losses(), drain));
    grpc::run(plane, Listener::bind().await?, admission).await?;
    Ok(())
}

fn reader(plane: &Arc<AppState>) -> Reader {
    Reader::new(Arc::clone(plane), Arc::new(Principal::local_operator()))
}
