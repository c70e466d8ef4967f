//! The CPU, memory and report gaps of one pod over the last five minutes, in a few bytes.

use mesh::report::Resources;

/// Number of steps: five minutes of them.
pub const STEPS: usize = 30;

/// Length of a step.
const STEP_MS: u64 = 10_000;

/// The resource history of a pod, by step.
#[derive(Debug, Clone, Default)]
pub struct ResourceHistory {
    /// The number of the newest step, counted from the Unix epoch.
    newest: u64,
    steps: [PeakStep; STEPS],
}

/// The highest value of each within one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeakStep {
    /// CPU, in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory in KiB, which is enough for 4 TiB.
    pub memory_kib: u32,
    /// The longest time between two reports, in milliseconds.
    pub gap_ms: u32,
}

impl ResourceHistory {
    /// Adds a report.
    pub fn add(&mut self, now_ms: u64, resources: Option<Resources>, gap_ms: u64) {
        let now = now_ms / STEP_MS;
        if self.newest >= now + STEPS as u64 {
            // The clock was ahead and has been set back: none of the steps has happened yet.
            *self = Self { newest: now, ..Self::default() };
        }
        self.advance(now);
        let step = &mut self.steps[(self.newest % STEPS as u64) as usize];
        step.gap_ms = step.gap_ms.max(gap_ms.try_into().unwrap_or(u32::MAX));
        if let Some(resources) = resources {
            step.cpu_milli = step.cpu_milli.max(resources.cpu_milli);
            step.memory_kib = step.memory_kib.max((resources.memory_bytes >> 10).try_into().unwrap_or(u32::MAX));
        }
    }

    /// The steps up to now, oldest first. A step without reports is empty.
    pub fn steps_until(&self, now_ms: u64) -> [PeakStep; STEPS] {
        let now = now_ms / STEP_MS;
        std::array::from_fn(|at| {
            let step = now.saturating_sub((STEPS - 1 - at) as u64);
            let is_known = step <= self.newest && step + STEPS as u64 > self.newest;
            if is_known { self.steps[(step % STEPS as u64) as usize] } else { PeakStep::default() }
        })
    }

    fn advance(&mut self, to: u64) {
        for step in (self.newest + 1).max(to.saturating_sub(STEPS as u64 - 1))..=to {
            self.steps[(step % STEPS as u64) as usize] = PeakStep::default();
        }
        self.newest = self.newest.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cpu_milli: u32) -> Resources {
        Resources { cpu_milli, memory_bytes: 3 << 20, ..Resources::default() }
    }

    #[test]
    fn each_step_keeps_its_highest() {
        let mut strip = ResourceHistory::default();
        strip.add(1_000_000, Some(used(100)), 900);
        strip.add(1_009_999, Some(used(300)), 1100);
        strip.add(1_010_000, Some(used(200)), 1000);

        let steps = strip.steps_until(1_010_000);
        assert_eq!(steps[STEPS - 2], PeakStep { cpu_milli: 300, memory_kib: 3072, gap_ms: 1100 });
        assert_eq!(steps[STEPS - 1].cpu_milli, 200);
        assert_eq!(steps[0], PeakStep::default());
    }

    #[test]
    fn what_is_older_than_five_minutes_is_forgotten() {
        let mut strip = ResourceHistory::default();
        strip.add(1_000_000, Some(used(100)), 0);
        assert_eq!(strip.steps_until(1_290_000)[0].cpu_milli, 100);
        assert_eq!(strip.steps_until(1_300_000), [PeakStep::default(); STEPS]);

        strip.add(1_300_000, Some(used(7)), 0);
        assert_eq!(strip.steps_until(1_300_000).iter().filter(|step| step.cpu_milli > 0).count(), 1);
    }

    #[test]
    fn a_clock_that_was_far_ahead_and_is_set_right_hides_nothing() {
        let mut strip = ResourceHistory::default();
        strip.add(9_000_000, Some(used(100)), 0);
        strip.add(1_000_000, Some(used(200)), 0);
        assert_eq!(strip.steps_until(1_000_000)[STEPS - 1].cpu_milli, 200);
        assert_eq!(strip.steps_until(9_000_000)[STEPS - 1].cpu_milli, 0);
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut strip = ResourceHistory::default();
        strip.add(1_000_000, Some(used(100)), 0);
        strip.add(900_000, Some(used(200)), 0);
        assert_eq!(strip.steps_until(1_000_000)[STEPS - 1].cpu_milli, 200);
    }
}
