//! Asks again and again until the answer is good or the deadline has passed: the one way in which scenarios wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Long enough for anything that should happen at once, on two busy cores.
pub const SOON: Duration = Duration::from_secs(20);

/// Between two questions: short beside every deadline, long beside the answer's cost.
const PAUSE: Duration = Duration::from_millis(15);

/// What `question` answers once it succeeds; fails the test with its last error when `deadline` has passed.
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
