//! The control plane's host: the real ingest, fleet, timeline, keeper and rules, with a store on disk that outlives it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use control_plane::callers::CalledBy;
use control_plane::clock::now_ms;
use control_plane::fleet::Fleet;
use control_plane::ingest::{self, Admission};
use control_plane::plane::ControlPlane;
use control_plane::snapshot::Window;
use control_plane::store::chronicle::View;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::disk::{Disk, Orders};
use crate::network::Listener;

/// Looks into the control plane that runs now, if one does. It keeps none alive: a crash must close the store.
#[derive(Clone, Default)]
pub(crate) struct Glass(Arc<Mutex<Weak<ControlPlane>>>);

impl Glass {
    /// Requests counted for a route, as every page and the API tell them; `None` while there is no control plane.
    pub(crate) fn hits(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let snapshot = plane.snapshot(Window::All, now_ms());
        let rows = snapshot.endpoints.iter().filter(|row| row.endpoint.route() == route);
        Some(rows.map(|row| row.now.hits).sum())
    }

    /// Requests that were ever told of a route, those that were lost since then included; `None` while there is no control
    /// plane.
    pub(crate) fn heard(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let series = plane.timeline.all().into_iter().filter(|series| series.endpoint.route() == route);
        Some(series.map(|series| series.ever_told().hits).sum())
    }

    /// Requests of a route of which it is known whose they were; `None` while there is no control plane.
    pub(crate) fn called(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let all = CalledBy::of_all(&plane.fleet, &plane.timeline, now_ms());
        let series = plane.timeline.all().into_iter().filter(|series| series.endpoint.route() == route);
        Some(series.filter_map(|series| Some(all.get(&series.id)?.sum.calls.hits)).sum())
    }

    /// Requests of a route that are on disk; `None` while there is no control plane.
    pub(crate) fn kept(&self, route: &str) -> Option<u64> {
        let plane = self.0.lock().unwrap().upgrade()?;
        let mut hits = 0;
        let mut add_up = |view: &dyn View| {
            hits = view.series()?.values().filter(|kept| kept.name.endpoint.route() == route).map(|kept| kept.total.hits).sum();
            Ok(())
        };
        plane.keeper.chronicle.view(&mut add_up).unwrap();
        Some(hits)
    }

    /// Requests that it says are lost: told by sidecars that were killed, and never brought to disk.
    pub(crate) fn not_kept(&self) -> Option<u64> {
        Some(self.0.lock().unwrap().upgrade()?.fleet.hits_not_kept())
    }
}

/// Runs one until its host crashes.
pub(crate) async fn run(folder: PathBuf, orders: Orders, glass: Glass) -> turmoil::Result {
    let (store, fleet) = (Arc::new(Disk::open(&folder, orders)?), Fleet::new(Duration::from_secs(3600)));
    let drain = CancellationToken::new();
    let (plane, scribe) = ControlPlane::open(store, fleet, ([0, 0, 0, 0], 0).into(), drain.clone())?;
    let plane = Arc::new(plane);
    *glass.0.lock().unwrap() = Arc::downgrade(&plane);
    let admission = Admission { token: None, streams_per_address_max: 100 };
    let mut writing = JoinSet::new();
    writing.spawn(scribe.run(drain));
    ingest::run(plane, Listener::bind().await?, admission).await?;
    Ok(())
}
