//! The taps of one stream: starts and stops them as the control plane asks, and sends the exchanges that they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mesh::tap::{Dropped, Sighting, Tap};
use proto::convert::taps::{SEEN_MAX, TapUpdate, taps};
use proto::wire;
use tokio::time::{Interval, MissedTickBehavior};

use crate::recorder::exchange_bus::{ExchangeBus, Subscription};
use crate::tap::TapPick;

/// Exchanges that one tap may have seen and not yet sent: four frames. What finds no room is dropped and counted,
/// because traffic never waits.
const ROOM: usize = 4 * SEEN_MAX;

/// How often taps are polled; to a person that is immediate.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The active taps. They end with the stream, because no one could receive what they see.
pub(super) struct ActiveTaps {
    on: Vec<On>,
    /// The next frame, until it is sent.
    frame: TapUpdate,
    looks: Interval,
}

/// One tap.
struct On {
    tap: Tap,
    reading: Subscription<Sighting>,
    over_rate: Arc<AtomicU64>,
    reported: Dropped,
}

impl ActiveTaps {
    /// No taps yet.
    pub(super) fn new() -> Self {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { on: Vec::new(), frame: TapUpdate::default(), looks }
    }

    /// Replaces all taps by this set. An invalid set counts as empty: tapping nothing is better than tapping something
    /// that was not requested.
    pub(super) fn set(&mut self, set: wire::Taps, exchange_bus: &Arc<ExchangeBus>) {
        let taps = taps(set).unwrap_or_else(|why| {
            tracing::warn!("the control plane wants to tap what cannot be, and nothing is tapped: {why}");
            Vec::new()
        });
        self.on.retain(|on| taps.contains(&on.tap));
        for tap in taps {
            if self.on.iter().all(|on| on.tap != tap) {
                match On::new(tap, exchange_bus) {
                    Ok(on) => self.on.push(on),
                    Err(why) => tracing::warn!("a tap is not put on: {why}"),
                }
            }
        }
        tracing::info!("taps that are on: {}", self.on.len());
    }

    /// Waits until there is something to send. If this future is dropped, it stays in the next frame.
    pub(super) async fn wait(&mut self) {
        if self.on.is_empty() {
            std::future::pending::<()>().await;
        }
        while self.is_empty() {
            self.looks.tick().await;
            let share = SEEN_MAX / self.on.len();
            for on in &mut self.on {
                on.reading.take(share, &mut self.frame.seen);
                self.frame.dropped.extend(on.dropped().map(|dropped| (on.tap.id, dropped)));
            }
        }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.frame.seen.is_empty() && self.frame.dropped.is_empty()
    }

    /// Takes the next frame, as the message to send.
    pub(super) fn next(&mut self) -> Option<wire::Up> {
        if self.is_empty() {
            return None;
        }
        let tapped = std::mem::take(&mut self.frame);
        Some(wire::Up { message: Some(wire::up::Message::Tapped(tapped.into())) })
    }
}

impl On {
    fn new(tap: Tap, exchange_bus: &Arc<ExchangeBus>) -> anyhow::Result<Self> {
        let over_rate = Arc::<AtomicU64>::default();
        let reading = exchange_bus.read(ROOM, TapPick::new(tap.clone(), Arc::clone(&over_rate)))?;
        Ok(Self { tap, reading, over_rate, reported: Dropped::default() })
    }

    /// What was dropped since the last report of drops.
    fn dropped(&mut self) -> Option<Dropped> {
        let now = Dropped { over_rate: self.over_rate.load(Relaxed), over_queue: self.reading.missed() };
        let since =
            Dropped { over_rate: now.over_rate - self.reported.over_rate, over_queue: now.over_queue - self.reported.over_queue };
        self.reported = now;
        (!since.is_nothing()).then_some(since)
    }
}
