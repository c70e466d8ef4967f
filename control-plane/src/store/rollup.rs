//! The slot lengths of the metrics store, and how long and in how many bytes slots are kept.

use std::time::Duration;

use mesh::window::WINDOW_S;

/// Length of the windows that sidecars send, and of the shortest slots, in milliseconds.
pub const WINDOW_MS: u64 = WINDOW_S as u64 * 1000;

/// Length of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Ten seconds: the last hour is restored from them after a restart.
    TenSeconds,
    /// One minute.
    Minute,
    /// One hour.
    Hour,
}

impl Resolution {
    /// All lengths, finest first.
    pub const ALL: [Self; 3] = [Self::TenSeconds, Self::Minute, Self::Hour];

    /// Length of a slot, in milliseconds.
    pub const fn step_ms(self) -> u64 {
        match self {
            Self::TenSeconds => WINDOW_MS,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// Returns the number of the slot that contains an instant: its time in steps since the Unix
    /// epoch.
    pub const fn slot(self, at_ms: u64) -> u64 {
        at_ms / self.step_ms()
    }
}

/// How long slots are kept, and in how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// For slots of ten seconds.
    pub ten_seconds: Duration,
    /// For slots of a minute.
    pub minutes: Duration,
    /// For slots of an hour, and for series without counts.
    pub hours: Duration,
    /// Bytes of all slots. Over it, the oldest slots of ten seconds are deleted first, then those
    /// of a minute, then those of an hour. The first two have a guaranteed quarter each, the last
    /// has half.
    pub bytes_max: u64,
}

impl Keep {
    /// The default retention.
    pub const DEFAULT: Self = Self {
        ten_seconds: Duration::from_secs(6 * 3600),
        minutes: Duration::from_secs(7 * 24 * 3600),
        hours: Duration::from_secs(90 * 24 * 3600),
        bytes_max: 1 << 30,
    };

    /// Returns how long slots of this length are kept.
    pub fn time(&self, resolution: Resolution) -> Duration {
        match resolution {
            Resolution::TenSeconds => self.ten_seconds,
            Resolution::Minute => self.minutes,
            Resolution::Hour => self.hours,
        }
    }

    /// Returns the oldest slot that is still kept at this instant.
    pub fn oldest(&self, resolution: Resolution, now_ms: u64) -> u64 {
        resolution.slot(now_ms.saturating_sub(self.time(resolution).as_millis() as u64))
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::DEFAULT
    }
}
