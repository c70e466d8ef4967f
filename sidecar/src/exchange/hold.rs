//! Bounds the time for which a decorator may hold a request.

use std::time::Duration;

use crate::decorator::{FailureMode, Hold, Released};
use crate::exchange::error_response;

/// The longest time that a request is held: twice the longest delay of a `fault`. A future that never completes would keep
/// the client's connection, and the request's memory, for ever.
const HOLD_MAX: Duration = Duration::from_secs(120);

/// How a hold ended.
#[derive(Debug)]
pub(super) enum HoldEnd {
    /// The decorator has decided.
    Decided(Released),
    /// It took too long. The request passes, or is answered with 503 if the decorator guards the service.
    TooLong(Released),
}

/// Waits for the decision, for at most [`HOLD_MAX`].
pub(super) async fn bounded(hold: Hold, mode: FailureMode) -> HoldEnd {
    match tokio::time::timeout(HOLD_MAX, hold).await {
        Ok(released) => HoldEnd::Decided(released),
        Err(_) => HoldEnd::TooLong(match mode {
            FailureMode::Closed => Released::Answer(error_response::guard_failed()),
            FailureMode::Open => Released::Pass(Vec::new()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_decision_that_never_comes_fails_as_the_decorator_does() {
        let never = || -> Hold { Box::pin(pending()) };
        let passed = bounded(never(), FailureMode::Open).await;
        assert!(matches!(passed, HoldEnd::TooLong(Released::Pass(_))), "{passed:?}");
        let HoldEnd::TooLong(Released::Answer(answer)) = bounded(never(), FailureMode::Closed).await else {
            panic!("a guard lets nothing through")
        };
        assert_eq!(answer.status, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_fault_is_within_the_limit() {
        let minute: Hold = Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Released::Pass(Vec::new())
        });
        assert!(matches!(bounded(minute, FailureMode::Closed).await, HoldEnd::Decided(Released::Pass(_))));
    }
}
