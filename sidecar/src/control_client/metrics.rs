//! Counters of the control client, for the metrics page.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters that only the control client changes.
#[derive(Debug, Default)]
pub struct ControlClientMetrics {
    is_up: AtomicBool,
    dials: AtomicU64,
    reports: AtomicU64,
    put_off: AtomicU64,
    rules: AtomicU64,
    refused: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ControlClientCounts {
    /// Whether there is a stream.
    pub is_up: bool,
    /// Attempts to open one.
    pub dials: u64,
    /// Reports sent.
    pub reports: u64,
    /// Reports postponed because the stream was busy.
    pub put_off: u64,
    /// Rules in force for this pod.
    pub rules: u64,
    /// Sets of rules refused.
    pub refused: u64,
}

impl ControlClientMetrics {
    /// The counters now.
    pub fn numbers(&self) -> ControlClientCounts {
        ControlClientCounts {
            is_up: self.is_up.load(Relaxed),
            dials: self.dials.load(Relaxed),
            reports: self.reports.load(Relaxed),
            put_off: self.put_off.load(Relaxed),
            rules: self.rules.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Relaxed);
    }

    pub(super) fn count_dial(&self) {
        self.dials.fetch_add(1, Relaxed);
    }

    pub(super) fn count_report(&self) {
        self.reports.fetch_add(1, Relaxed);
    }

    pub(super) fn count_put_off(&self) {
        self.put_off.fetch_add(1, Relaxed);
    }

    pub(super) fn set_rules(&self, rules: usize) {
        self.rules.store(rules as u64, Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }
}
