//! The clock that decides when stored slots expire; it trusts a jump ahead only after it has lasted for a day.

use redb::{ReadableTable, WriteTransaction};

use crate::store::redb::fault::TransactionFault;
use crate::store::redb::tables::NUMBERS;

/// How far the machine's clock may advance between two readings, and how long it must keep a larger
/// jump before it is trusted. Expired data is gone for good, so a wrong clock must be wrong for a
/// day before it costs anything. After a week of downtime, old data expires a day late.
const LEAP_MAX_MS: u64 = 24 * 3_600_000;

/// The readings of the machine's clock so far. Zero means never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "they are all instants, and say so")]
pub(super) struct TrustedClock {
    /// The trusted time, milliseconds since the Unix epoch.
    pub(super) now_ms: u64,
    /// The reading right after a jump that is not trusted yet; 0 if there is none.
    leapt_ms: u64,
    /// The last reading.
    machine_ms: u64,
}

const NAMES: [&str; 3] = ["clock_ms", "clock_leapt_ms", "clock_told_ms"];

impl TrustedClock {
    /// Reads the clock from the store.
    pub(super) fn read(transaction: &WriteTransaction) -> Result<Self, TransactionFault> {
        let numbers = transaction.open_table(NUMBERS)?;
        let number = |name: &str| Ok::<_, TransactionFault>(numbers.get(name)?.map_or(0, |number| number.value()));
        Ok(Self { now_ms: number(NAMES[0])?, leapt_ms: number(NAMES[1])?, machine_ms: number(NAMES[2])? })
    }

    /// Writes the clock to the store.
    pub(super) fn write(self, transaction: &WriteTransaction) -> Result<(), TransactionFault> {
        let mut numbers = transaction.open_table(NUMBERS)?;
        for (name, number) in NAMES.into_iter().zip([self.now_ms, self.leapt_ms, self.machine_ms]) {
            numbers.insert(name, number)?;
        }
        Ok(())
    }

    /// Takes a reading of the machine's clock. A step back is followed at once: then less expires.
    #[must_use]
    pub(super) fn observe(self, machine_ms: u64) -> Self {
        let believed = Self { now_ms: machine_ms, leapt_ms: 0, machine_ms };
        let leaps_from = |from_ms: u64| machine_ms > from_ms.saturating_add(LEAP_MAX_MS);
        if self.machine_ms == 0 || !leaps_from(self.now_ms) {
            return believed;
        }
        if self.leapt_ms == 0 || leaps_from(self.machine_ms) || machine_ms < self.leapt_ms {
            return Self { leapt_ms: machine_ms, machine_ms, ..self };
        }
        if leaps_from(self.leapt_ms) { believed } else { Self { machine_ms, ..self } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_763_647_200_000;
    const YEAR_MS: u64 = 365 * LEAP_MAX_MS;

    /// Returns the trusted time after each reading.
    fn believed(reported: &[u64]) -> Vec<u64> {
        let mut clock = TrustedClock::default();
        let receive = |machine_ms: &u64| {
            clock = clock.observe(*machine_ms);
            clock.now_ms
        };
        reported.iter().map(receive).collect()
    }

    #[test]
    fn a_clock_that_goes_is_believed_ahead_and_back() {
        let reported = [NOW_MS, NOW_MS + 10_000, NOW_MS + LEAP_MAX_MS, NOW_MS - YEAR_MS];
        assert_eq!(believed(&reported), reported);
    }

    #[test]
    fn one_that_was_ahead_for_a_while_was_never_believed() {
        let ahead = NOW_MS + YEAR_MS;
        let reported = [NOW_MS, ahead, ahead + 60_000, NOW_MS + 70_000, ahead, ahead + YEAR_MS, ahead + YEAR_MS + 1];
        assert_eq!(
            believed(&reported),
            [NOW_MS, NOW_MS, NOW_MS, NOW_MS + 70_000, NOW_MS + 70_000, NOW_MS + 70_000, NOW_MS + 70_000]
        );
    }

    #[test]
    fn one_that_has_leapt_and_goes_on_is_believed_after_a_day() {
        let later = NOW_MS + 7 * LEAP_MAX_MS;
        let reported = [NOW_MS, later, later + LEAP_MAX_MS, later + LEAP_MAX_MS + 1, later + LEAP_MAX_MS + 2];
        assert_eq!(believed(&reported), [NOW_MS, NOW_MS, NOW_MS, later + LEAP_MAX_MS + 1, later + LEAP_MAX_MS + 2]);
    }
}
