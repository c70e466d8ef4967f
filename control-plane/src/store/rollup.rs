//! How the record of the pods is kept: in slots of three lengths, each for a time of its own, and in all within a size.

use std::time::Duration;

use mesh::window::WINDOW_S;

/// The length of the windows that sidecars send, and of the shortest slots, in milliseconds.
pub const WINDOW_MS: u64 = WINDOW_S as u64 * 1000;

/// The length of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Ten seconds: what the last hour is drawn from after a restart.
    TenSeconds,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Resolution {
    /// All of them, the finest first.
    pub const ALL: [Self; 3] = [Self::TenSeconds, Self::Minute, Self::Hour];

    /// How long a slot is, in milliseconds.
    pub const fn step_ms(self) -> u64 {
        match self {
            Self::TenSeconds => WINDOW_MS,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// The number of the slot in which an instant lies: its time in steps since the Unix epoch.
    pub const fn slot(self, at_ms: u64) -> u64 {
        at_ms / self.step_ms()
    }
}

/// For how long slots are kept, and in how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Slots of ten seconds.
    pub ten_seconds: Duration,
    /// Slots of a minute.
    pub minutes: Duration,
    /// Slots of an hour; and series in which nothing was counted for as long.
    pub hours: Duration,
    /// Bytes of all slots. Over it, the oldest of ten seconds go first, then those of a minute, then those of an hour; but
    /// the first two are sure of a quarter each, and the last of half.
    pub bytes_max: u64,
}

impl Keep {
    /// What is kept unless somebody says otherwise.
    pub const DEFAULT: Self = Self {
        ten_seconds: Duration::from_secs(6 * 3600),
        minutes: Duration::from_secs(7 * 24 * 3600),
        hours: Duration::from_secs(90 * 24 * 3600),
        bytes_max: 1 << 30,
    };

    /// For how long slots of this length are kept.
    pub fn time(&self, resolution: Resolution) -> Duration {
        match resolution {
            Resolution::TenSeconds => self.ten_seconds,
            Resolution::Minute => self.minutes,
            Resolution::Hour => self.hours,
        }
    }

    /// The oldest slot that is still kept at this instant.
    pub fn oldest(&self, resolution: Resolution, now_ms: u64) -> u64 {
        resolution.slot(now_ms.saturating_sub(self.time(resolution).as_millis() as u64))
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::DEFAULT
    }
}
