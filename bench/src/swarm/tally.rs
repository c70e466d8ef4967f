//! Counters over the whole swarm: attached sidecars, frames, bytes, windows and hits.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Which pods have traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickActivity {
    /// Every endpoint of every pod has traffic.
    All,
    /// One pod of each service has traffic; the others send the reports of a pod without requests.
    OnePodOfEach,
    /// No pod has traffic.
    None,
}

/// Counters that all sidecars share.
#[derive(Debug)]
pub struct SwarmCounters {
    attached: AtomicUsize,
    frames: AtomicU64,
    frame_bytes: AtomicU64,
    windows: AtomicU64,
    window_bytes: AtomicU64,
    put_off: AtomicU64,
    dials_failed: AtomicU64,
    recorded: AtomicU64,
    one_pod: AtomicBool,
    no_traffic: AtomicBool,
    /// When each sidecar made its newest frame, milliseconds since the Unix epoch.
    framed_ms: Vec<AtomicU64>,
    why: Mutex<String>,
}

impl SwarmCounters {
    /// Counters at zero, for this number of sidecars.
    pub fn of(sidecars: usize) -> Self {
        Self {
            attached: AtomicUsize::new(0),
            frames: AtomicU64::new(0),
            frame_bytes: AtomicU64::new(0),
            windows: AtomicU64::new(0),
            window_bytes: AtomicU64::new(0),
            put_off: AtomicU64::new(0),
            dials_failed: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            one_pod: AtomicBool::new(false),
            no_traffic: AtomicBool::new(false),
            framed_ms: (0..sidecars).map(|_| AtomicU64::new(0)).collect(),
            why: Mutex::default(),
        }
    }

    /// Sets which pods have traffic from now on.
    pub fn set_activity(&self, activity: TickActivity) {
        self.one_pod.store(activity == TickActivity::OnePodOfEach, Relaxed);
        self.no_traffic.store(activity == TickActivity::None, Relaxed);
    }

    /// Which pods have traffic.
    pub fn activity(&self) -> TickActivity {
        match (self.no_traffic.load(Relaxed), self.one_pod.load(Relaxed)) {
            (true, _) => TickActivity::None,
            (false, true) => TickActivity::OnePodOfEach,
            (false, false) => TickActivity::All,
        }
    }

    /// Sidecars that have received the welcome and have sent their snapshot.
    pub fn attached(&self) -> usize {
        self.attached.load(Relaxed)
    }

    /// Reports sent.
    pub fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// Bytes of the reports sent, as protobuf.
    pub fn frame_bytes(&self) -> u64 {
        self.frame_bytes.load(Relaxed)
    }

    /// Windows sent.
    pub fn windows(&self) -> u64 {
        self.windows.load(Relaxed)
    }

    /// Bytes of the windows sent, as protobuf.
    pub fn window_bytes(&self) -> u64 {
        self.window_bytes.load(Relaxed)
    }

    /// Reports that were delayed because the queue of the stream was full.
    pub fn put_off(&self) -> u64 {
        self.put_off.load(Relaxed)
    }

    /// Failed attempts to attach.
    pub fn dials_failed(&self) -> u64 {
        self.dials_failed.load(Relaxed)
    }

    /// Requests that the pods of the swarm have recorded.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Relaxed)
    }

    /// When a sidecar made its newest frame, milliseconds since the Unix epoch.
    pub fn framed_ms(&self, number: usize) -> u64 {
        self.framed_ms[number].load(Relaxed)
    }

    /// Why the last attempt to attach failed, or the last stream ended.
    pub fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn record_attach(&self) {
        self.attached.fetch_add(1, Relaxed);
    }

    pub(super) fn record_loss(&self, why: String) {
        self.attached.fetch_sub(1, Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn record_dial_failure(&self, why: String) {
        self.dials_failed.fetch_add(1, Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn add_hits(&self, hits: u64) {
        self.recorded.fetch_add(hits, Relaxed);
    }

    pub(super) fn record_frame(&self, number: usize, at_ms: u64, bytes: usize) {
        self.frames.fetch_add(1, Relaxed);
        self.frame_bytes.fetch_add(bytes as u64, Relaxed);
        self.framed_ms[number].store(at_ms, Relaxed);
    }

    pub(super) fn record_window(&self, bytes: usize) {
        self.windows.fetch_add(1, Relaxed);
        self.window_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn record_delayed_report(&self) {
        self.put_off.fetch_add(1, Relaxed);
    }
}
