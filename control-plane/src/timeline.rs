//! Adds up what the pods count, by endpoint, and remembers the last hour of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use mesh::endpoint::Endpoint;

use crate::fleet::called;
use crate::timeline::pinned::Pinned;
use crate::timeline::room::Room;
use crate::timeline::series::Series;

pub mod history;
pub mod lately;
pub mod past;
pub mod pinned;
pub mod restored;
pub mod ring;
pub mod room;
pub mod series;
pub mod share;
pub mod sparks;
pub mod stretch;

/// Endpoints of one service that are told apart: 16 times what one sidecar tells apart, since pods may see different ones.
pub const ENDPOINTS_MAX: usize = 4096;

/// Endpoints of all services together. Quiet ones take 6 kB, so that many take 400 MB.
pub const SERIES_MAX: usize = 65_536;

/// A series for each endpoint ever heard of.
#[derive(Debug)]
pub struct Timeline {
    started_ms: u64,
    services: DashMap<(String, String), Arc<Endpoints>>,
    series: AtomicUsize,
    /// Series ever made.
    numbers: AtomicUsize,
    folded: AtomicU64,
    pins: Pinned,
    room: Arc<Room>,
    callers_room: Arc<Room>,
}

/// The endpoints of one service.
type Endpoints = DashMap<Endpoint, Arc<Series>>;

/// The service that an endpoint belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Reporter<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The service.
    pub service: &'a str,
}

impl Timeline {
    /// An empty timeline that begins at `now_ms`.
    pub fn starting(now_ms: u64) -> Self {
        Self {
            started_ms: now_ms,
            services: DashMap::new(),
            series: AtomicUsize::new(0),
            numbers: AtomicUsize::new(0),
            folded: AtomicU64::new(0),
            pins: Pinned::default(),
            room: Room::with(lately::PLACES_MAX),
            callers_room: Room::with(called::PLACES_MAX),
        }
    }

    /// When it began, milliseconds since the Unix epoch.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The room for what single pods did lately.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The room for those who have called single pods.
    pub fn callers_room(&self) -> &Arc<Room> {
        &self.callers_room
    }

    /// The series of an endpoint, or the one that everything over the limit shares.
    pub fn series(&self, reporter: Reporter<'_>, endpoint: &Endpoint) -> Arc<Series> {
        let endpoints = self.endpoints(reporter);
        let renamed = self.pins.of(reporter).rename(endpoint);
        let endpoint = renamed.as_ref().unwrap_or(endpoint);
        if let Some(known) = endpoints.get(endpoint) {
            return Arc::clone(&known);
        }
        let is_full = endpoints.len() >= ENDPOINTS_MAX || self.series.load(Ordering::Relaxed) >= SERIES_MAX;
        if is_full && !endpoint.is_other() {
            self.folded.fetch_add(1, Ordering::Relaxed);
            return self.make(&endpoints, reporter, &Endpoint::other());
        }
        self.make(&endpoints, reporter, endpoint)
    }

    /// The name that is used here for an endpoint of a service, if it is known: the same for all who tell of it.
    pub fn shared(&self, reporter: Reporter<'_>, endpoint: Endpoint) -> Endpoint {
        let known = self.endpoints(reporter).get(&endpoint).map(|series| series.endpoint.clone());
        known.unwrap_or(endpoint)
    }

    /// Every series, in no particular order.
    pub fn all(&self) -> Vec<Arc<Series>> {
        let services: Vec<_> = self.services.iter().map(|endpoints| Arc::clone(endpoints.value())).collect();
        services
            .iter()
            .flat_map(|endpoints| endpoints.iter().map(|series| Arc::clone(series.value())).collect::<Vec<_>>())
            .collect()
    }

    /// How often a pod brought an endpoint that is counted under `(other)`, because there are too many.
    pub fn folded(&self) -> u64 {
        self.folded.load(Ordering::Relaxed)
    }

    fn endpoints(&self, reporter: Reporter<'_>) -> Arc<Endpoints> {
        let name = (reporter.namespace.to_owned(), reporter.service.to_owned());
        Arc::clone(self.services.entry(name).or_default().value())
    }

    fn make(&self, endpoints: &Endpoints, reporter: Reporter<'_>, endpoint: &Endpoint) -> Arc<Series> {
        let make = || {
            self.series.fetch_add(1, Ordering::Relaxed);
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            Arc::new(Series::new(number, reporter, endpoint, self.started_ms))
        };
        Arc::clone(endpoints.entry(endpoint.clone()).or_insert_with(make).value())
    }
}

#[cfg(test)]
mod tests;
