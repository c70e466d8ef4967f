//! Decides whether a control plane process that ended is restarted.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::bail;

/// A process that ran this long had started properly: a debug build on a busy machine opens its store in half of it.
const YOUNG: Duration = Duration::from_secs(1);

/// After this many early deaths in a row, the cause is probably not a user who tries `kill`, but a persistent fault.
const KILLED_YOUNG_MAX: u32 = 5;

/// The history of deaths that the decision needs.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    killed_young: u32,
}

impl Deaths {
    /// Records one death; fails if the process should not be restarted.
    pub(super) fn add(&mut self, status: ExitStatus, lived: Duration) -> anyhow::Result<()> {
        if lived >= YOUNG {
            self.killed_young = 0;
            return Ok(());
        }
        // A process that exited with an error has printed the reason, and would fail again.
        if status.code().is_some_and(|code| code != 0) {
            bail!("the control plane cannot start ({}); it has said why", cause(status));
        }
        self.killed_young += 1;
        if self.killed_young >= KILLED_YOUNG_MAX {
            let within_s = YOUNG.as_secs();
            bail!("the control plane has ended {KILLED_YOUNG_MAX} times in a row ({}) within {within_s} s", cause(status));
        }
        Ok(())
    }
}

/// The signal or exit code by which a process ended.
pub(super) fn cause(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn killed() -> ExitStatus {
        ExitStatus::from_raw(9)
    }

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn one_that_is_killed_is_started_again_but_not_for_ever() {
        let mut deaths = Deaths::default();
        for _ in 1..KILLED_YOUNG_MAX {
            deaths.add(killed(), AT_ONCE).unwrap();
        }
        let given_up = deaths.add(killed(), AT_ONCE).unwrap_err().to_string();
        assert_eq!(given_up, "the control plane has ended 5 times in a row (signal 9) within 1 s");
    }

    #[test]
    fn a_life_of_some_length_makes_up_for_the_short_ones() {
        let mut deaths = Deaths::default();
        for _ in 0..10 {
            for _ in 1..KILLED_YOUNG_MAX {
                deaths.add(killed(), AT_ONCE).unwrap();
            }
            deaths.add(exited(1), YOUNG).unwrap();
        }
    }

    #[test]
    fn one_that_gives_up_at_its_start_is_not_started_again() {
        let mut deaths = Deaths::default();
        deaths.add(exited(0), AT_ONCE).unwrap();
        let given_up = deaths.add(exited(1), AT_ONCE).unwrap_err().to_string();
        assert_eq!(given_up, "the control plane cannot start (exit code 1); it has said why");
    }
}
