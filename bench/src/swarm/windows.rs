//! The windows of a simulated sidecar: seconds of traffic by slot, held until the control plane has them on disk.

use std::collections::VecDeque;

use mesh::window::slot_of;

/// Windows that are not acknowledged as durable.
#[derive(Debug, Default)]
pub(super) struct SwarmWindows {
    /// The last durable slot.
    mark: u64,
    /// Seconds of traffic that are durable.
    kept: u64,
    /// Closed windows, oldest first: the slot, and its seconds of traffic.
    held: VecDeque<(u64, u64)>,
    /// The window of the current slot.
    open: (u64, u64),
    /// The last slot that was sent on this stream.
    sent: u64,
    /// The last slot that the reports of this stream cover.
    received: u64,
}

impl SwarmWindows {
    /// Advances to a time, and adds seconds of traffic.
    pub(super) fn pass(&mut self, now_ms: u64, seconds: u64) {
        let slot = slot_of(now_ms);
        if slot > self.open.0 {
            self.held.extend(Some(self.open).filter(|(_, seconds)| *seconds > 0));
            self.open = (slot, 0);
        }
        self.open.1 += seconds;
    }

    /// Starts a new stream; everything up to `mark` is durable.
    pub(super) fn begin_stream(&mut self, mark: u64) {
        (self.sent, self.received) = (0, 0);
        self.acked(mark);
    }

    /// Records that a report of this stream covers everything up to now.
    pub(super) fn reported(&mut self) {
        self.received = self.held.back().map_or(0, |(slot, _)| *slot);
    }

    /// Marks everything up to this slot as durable.
    pub(super) fn acked(&mut self, mark: u64) {
        while let Some((slot, seconds)) = self.held.pop_front_if(|(slot, _)| *slot <= mark) {
            self.mark = slot;
            self.kept += seconds;
        }
    }

    /// The durable state: the last slot, and the seconds of traffic.
    pub(super) fn baseline(&self) -> (u64, u64) {
        (self.mark, self.kept)
    }

    /// Returns the next window to send, as slot and seconds, if one had ended at `by_ms`.
    pub(super) fn next(&mut self, by_ms: u64) -> Option<(u64, u64)> {
        let next = *self.held.iter().find(|(slot, _)| *slot > self.sent && *slot <= self.received && *slot < slot_of(by_ms))?;
        self.sent = next.0;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 140_000;

    #[test]
    fn each_second_is_in_one_window_until_it_is_on_disk() {
        let mut windows = SwarmWindows::default();
        windows.begin_stream(0);
        for second in 100..125 {
            windows.pass(second * 1000, 1);
            windows.reported();
        }
        assert_eq!(windows.next(109_999), None, "it is not over");
        assert_eq!([windows.next(NOW_MS), windows.next(NOW_MS), windows.next(NOW_MS)], [Some((10, 10)), Some((11, 10)), None]);
        windows.acked(10);
        assert_eq!(windows.baseline(), (10, 10));
        windows.begin_stream(10);
        assert_eq!(windows.next(NOW_MS), None, "a report comes first");
        windows.pass(130_000, 0);
        windows.reported();
        assert_eq!([windows.next(NOW_MS), windows.next(NOW_MS), windows.next(NOW_MS)], [Some((11, 10)), Some((12, 5)), None]);
    }
}
