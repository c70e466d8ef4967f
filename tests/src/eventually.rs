//! Retries a check until it succeeds or its deadline has passed: the only way in which scenarios wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Long enough for anything that should happen immediately, on two busy cores.
pub const SOON: Duration = Duration::from_secs(20);

/// The retry interval: short compared with every deadline, long compared with the cost of a check.
const PAUSE: Duration = Duration::from_millis(15);

/// Returns the first success of `question`; panics with its last error when `deadline` has passed.
#[track_caller]
pub fn eventually<T>(deadline: Duration, mut question: impl FnMut() -> Result<T>) -> T {
    let until = Instant::now() + deadline;
    loop {
        match question() {
            Ok(answer) => return answer,
            Err(error) if Instant::now() >= until => panic!("not within {deadline:?}: {error:#}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
