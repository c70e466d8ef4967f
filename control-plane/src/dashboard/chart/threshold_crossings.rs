//! Finds when an endpoint's failure ratio crossed a limit, upwards or downwards.

use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome, SlotOutcomes};
use format::health::{REQUESTS_MIN, ratio};

/// Consecutive slots under the limit that end a crossing. Failures come in bursts.
const CALM_SLOTS: usize = 3;

/// Maximum number of slots combined to get enough requests for a decision.
const TOGETHER_MAX: usize = 12;

/// A slot in which the failure ratio crossed the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// The endpoint is over the limit from this slot on.
    Over(usize),
    /// The endpoint is back under the limit from this slot on.
    Under(usize),
}

/// Since when an endpoint is over a limit, as far as known. Instants are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Since this instant.
    At(u64),
    /// Since before this instant, where the known history begins.
    Before(u64),
    /// Since its first requests, at this instant.
    First(u64),
    /// It was over the limit until this instant.
    Until(u64),
}

/// Since when an endpoint is over a limit; `None` if it never was in the last hour of slots.
pub fn over_since(outcomes: &SlotOutcomes, limit: f64) -> Option<Since> {
    let at_ms = |slot: usize| outcomes.from_ms + slot as u64 * OUTCOME_MS;
    match *crossings(&outcomes.slots, limit).last()? {
        Crossing::Under(slot) => Some(Since::Until(at_ms(slot))),
        Crossing::Over(slot) if !is_beginning(&outcomes.slots, slot) => Some(Since::At(at_ms(slot))),
        Crossing::Over(_) if outcomes.began_ms >= outcomes.from_ms => Some(Since::First(outcomes.began_ms)),
        Crossing::Over(_) => Some(Since::Before(outcomes.from_ms)),
    }
}

/// All crossings whose instant is known, in order of time.
pub fn dated(outcomes: &SlotOutcomes, limit: f64) -> Vec<(u64, Crossing)> {
    let dated = |crossing: Crossing| match crossing {
        Crossing::Over(slot) if is_beginning(&outcomes.slots, slot) => None,
        Crossing::Over(slot) | Crossing::Under(slot) => Some((outcomes.from_ms + slot as u64 * OUTCOME_MS, crossing)),
    };
    crossings(&outcomes.slots, limit).into_iter().filter_map(dated).collect()
}

/// Whether the history before a slot is too short to know that the endpoint was under the limit.
pub fn is_beginning(slots: &[SlotOutcome], slot: usize) -> bool {
    let served = slots[..slot].iter().fold(0_u64, |sum, outcome| sum.saturating_add(outcome.served));
    slot < TOGETHER_MAX || served < REQUESTS_MIN
}

/// All crossings, in order of time.
pub fn crossings(slots: &[SlotOutcome], limit: f64) -> Vec<Crossing> {
    let mut crossings = Vec::new();
    let (mut is_over, mut calm_since) = (false, None);
    for slot in 0..slots.len() {
        match (is_over, over_limit_at(slots, slot, limit)) {
            (false, Some(true)) => {
                is_over = true;
                crossings.push(Crossing::Over(first_failure(slots, slot)));
            }
            (true, Some(true)) => calm_since = None,
            (true, _) => {
                let since = *calm_since.get_or_insert(slot);
                if slot + 1 - since >= CALM_SLOTS {
                    (is_over, calm_since) = (false, None);
                    crossings.push(Crossing::Under(since));
                }
            }
            (false, _) => {}
        }
    }
    crossings
}

/// Whether a slot is over the limit, combined with enough slots before it. `None` if there are too few requests.
fn over_limit_at(slots: &[SlotOutcome], slot: usize, limit: f64) -> Option<bool> {
    let (mut failures, mut served) = (0_u64, 0_u64);
    for earlier in slots[..=slot].iter().rev().take(TOGETHER_MAX) {
        failures = failures.saturating_add(earlier.failures);
        served = served.saturating_add(earlier.served);
        if served >= REQUESTS_MIN {
            return Some(slots[slot].failures > 0 && ratio(failures, served) >= limit);
        }
    }
    None
}

/// The first slot of the run of slots with failures that ends at `slot`.
fn first_failure(slots: &[SlotOutcome], slot: usize) -> usize {
    (0..=slot).rev().take_while(|earlier| slots[*earlier].failures > 0).last().unwrap_or(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::health::FAILING_RED;

    const FROM_MS: u64 = 1_763_643_600_000;

    fn slots(failures_of_a_hundred: &[u64]) -> Vec<SlotOutcome> {
        failures_of_a_hundred.iter().map(|failures| SlotOutcome { served: 100, failures: *failures }).collect()
    }

    #[test]
    fn a_limit_is_crossed_once_each_way() {
        let slots = slots(&[0, 0, 9, 9, 0, 9, 0, 0, 0, 0]);
        assert_eq!(crossings(&slots, FAILING_RED), [Crossing::Over(2), Crossing::Under(6)], "one calm slot is no end");
    }

    #[test]
    fn few_requests_are_judged_together() {
        let few: Vec<_> = [0, 0, 1, 1, 1, 1].iter().map(|failures| SlotOutcome { served: 4, failures: *failures }).collect();
        assert_eq!(crossings(&few, FAILING_RED), [Crossing::Over(2)]);
        assert_eq!(crossings(&few[..4], FAILING_RED), [], "sixteen requests say little");
        assert_eq!(crossings(&slots(&[4, 4, 4]), FAILING_RED), [], "under the limit");
    }

    #[test]
    fn an_event_has_one_time_until_its_beginning_is_out_of_sight() {
        let mut hour = slots(&[0; 360]);
        hour[200..].iter_mut().for_each(|slot| slot.failures = 9);
        // The window moves on: the same slots move to the left.
        let seen_at = |later: usize| {
            let mut slots = hour[later..].to_vec();
            slots.resize(360, SlotOutcome { served: 100, failures: 9 });
            SlotOutcomes { from_ms: FROM_MS + later as u64 * OUTCOME_MS, began_ms: 0, slots: slots.into() }
        };
        let at = Since::At(FROM_MS + 200 * OUTCOME_MS);
        for later in [0, 1, 7, 100, 188] {
            assert_eq!(over_since(&seen_at(later), FAILING_RED), Some(at), "{later} slots later");
        }
        for later in [189, 200, 300] {
            let edge_ms = FROM_MS + later as u64 * OUTCOME_MS;
            assert_eq!(over_since(&seen_at(later), FAILING_RED), Some(Since::Before(edge_ms)), "{later} slots later");
            assert_eq!(dated(&seen_at(later), FAILING_RED), [], "no mark moves with the edge");
        }
    }

    #[test]
    fn what_fails_from_its_first_request_on_says_so_and_what_is_over_says_until_when() {
        let mut slots = slots(&[9; 360]);
        slots[..300].fill(SlotOutcome::default());
        let began_ms = FROM_MS + 300 * OUTCOME_MS + 3_000;
        let outcomes = SlotOutcomes { from_ms: FROM_MS, began_ms, slots: slots.clone().into() };
        assert_eq!(over_since(&outcomes, FAILING_RED), Some(Since::First(began_ms)));

        slots[350..].iter_mut().for_each(|slot| slot.failures = 0);
        let outcomes = SlotOutcomes { slots: slots.into(), ..outcomes };
        assert_eq!(over_since(&outcomes, FAILING_RED), Some(Since::Until(FROM_MS + 350 * OUTCOME_MS)));
        assert_eq!(over_since(&SlotOutcomes::default(), FAILING_RED), None);
    }
}
