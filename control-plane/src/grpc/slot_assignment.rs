//! Assigns a window to slots of our clock: its number is only a name where the pod's clock is wrong.

use mesh::window::{WINDOW_S, slot_of};
use proto::convert::windows::{PackedWindow, WindowAge};

use crate::counts::window_writer::pending_window::TenSecondSlots;

/// Length of a slot in milliseconds.
const SLOT_MS: u64 = WINDOW_S as u64 * 1000;

/// Slots by which a window may differ from its number before the number is ignored: clocks that
/// differ by a few seconds put its bounds on either side of a slot's.
const TOLERATED: u64 = 1;

/// The slots that count a window which arrived at `now_ms`. If the sidecar reports its age, that
/// decides. A window of an older sidecar is shifted by the difference of the clocks, and never into
/// the future.
pub(super) fn assign_slots(window: &PackedWindow, correction_ms: i64, now_ms: u64) -> TenSecondSlots {
    let claimed = TenSecondSlots { first: window.id, span: u64::from(window.span) };
    let ago = |ago_ms: u64| now_ms.saturating_sub(ago_ms);
    match window.age {
        WindowAge { began_ago_ms: Some(began), ended_ago_ms: Some(ended) } => by_age(claimed, ago(began), ago(ended)),
        WindowAge { began_ago_ms: None, ended_ago_ms: Some(ended) } => by_end(claimed, ago(ended)),
        WindowAge { ended_ago_ms: None, .. } => by_offset(claimed, correction_ms, now_ms),
    }
}

/// From its beginning to its end. A window is closed up to a second after its slot, so its end is
/// in the next slot.
fn by_age(claimed: TenSecondSlots, from_ms: u64, to_ms: u64) -> TenSecondSlots {
    let first = slot_of(from_ms);
    let aged = TenSecondSlots { first, span: slot_of(to_ms).saturating_sub(first).max(1) };
    let agrees = aged.first.abs_diff(claimed.first) <= TOLERATED && aged.last().abs_diff(claimed.last()) <= TOLERATED;
    if agrees { claimed } else { aged }
}

/// Counts of a lost store, placed at their end: their beginning is unknown.
fn by_end(claimed: TenSecondSlots, to_ms: u64) -> TenSecondSlots {
    let last = slot_of(to_ms);
    if last.abs_diff(claimed.last()) <= TOLERATED { claimed } else { TenSecondSlots { first: last, span: 1 } }
}

fn by_offset(claimed: TenSecondSlots, correction_ms: i64, now_ms: u64) -> TenSecondSlots {
    let slots = (correction_ms.unsigned_abs() + SLOT_MS / 2) / SLOT_MS;
    let moved = if correction_ms < 0 { claimed.first.saturating_sub(slots) } else { claimed.first.saturating_add(slots) };
    let newest_first = slot_of(now_ms).saturating_sub(claimed.span - 1);
    // A window that began before its pod's clock was set belongs elsewhere; now is the only time at
    // which it is known to exist.
    if slots == 0 { claimed } else { TenSecondSlots { first: moved.min(newest_first), ..claimed } }
}

#[cfg(test)]
mod tests {
    use mesh::window::WindowKind;

    use super::*;

    const NOW_MS: u64 = 1_763_647_203_000;
    const NOW: u64 = NOW_MS / SLOT_MS;
    const DAY: u64 = 86_400 / WINDOW_S as u64;

    fn window(id: u64, span: u32, began_ago_s: Option<u64>, ended_ago_s: Option<u64>) -> PackedWindow {
        let ms = |seconds: Option<u64>| seconds.map(|seconds| seconds * 1000);
        let age = WindowAge { began_ago_ms: ms(began_ago_s), ended_ago_ms: ms(ended_ago_s) };
        PackedWindow { id, span, kind: WindowKind::Change, age, bytes: 0, rows: Vec::new() }
    }

    fn assigned(window: &PackedWindow, offset_days: i64) -> (i64, u64) {
        let slots = assign_slots(window, -offset_days * 86_400_000, NOW_MS);
        (slots.first.cast_signed() - NOW.cast_signed(), slots.span)
    }

    #[test]
    fn a_window_of_a_clock_that_goes_right_keeps_its_slots() {
        assert_eq!(assigned(&window(NOW - 1, 1, Some(13), Some(3)), 0), (-1, 1));
        assert_eq!(assigned(&window(NOW - 2, 1, Some(15), Some(4)), 0), (-2, 1), "its pod is some seconds behind");
        assert_eq!(assigned(&window(NOW - 60, 40, Some(603), Some(202)), 0), (-60, 40));
        assert_eq!(assigned(&window(NOW - 3, 1, None, None), 0), (-3, 1));
    }

    #[test]
    fn a_window_is_counted_when_it_happened_whatever_the_pods_clock_says() {
        for id in [1, NOW - 30 * DAY, NOW + 2 * DAY] {
            assert_eq!(assigned(&window(id, 1, Some(13), Some(3)), 0), (-1, 1), "{id}");
            assert_eq!(assigned(&window(id, 1, None, Some(3)), 0), (0, 1), "{id}");
        }
        // Two windows that were merged across a step of two days are twenty seconds long.
        assert_eq!(assigned(&window(NOW - 2, 2 * DAY as u32, Some(23), Some(3)), 2), (-2, 2));
    }

    #[test]
    fn a_window_of_an_older_sidecar_moves_by_the_difference_of_the_clocks() {
        assert_eq!(assigned(&window(NOW + 2 * DAY - 5, 1, None, None), 2), (-5, 1));
        assert_eq!(assigned(&window(NOW - 30 * DAY - 5, 3, None, None), -30), (-5, 3));
        assert_eq!(assigned(&window(NOW - 5, 1, None, None), -30), (0, 1), "it began before the clock was set back");
    }
}
