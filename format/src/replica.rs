//! Whether a replica of the control plane could take over, and what keeps it from that, for people.

use std::time::Duration;

use crate::{number, time};

/// How long a replica may be silent or behind. It announces itself each second.
const LATE_AFTER: Duration = Duration::from_secs(15);

/// What is wrong with a replica, or `None`. `behind` is the time since it had applied everything, if it ever had.
pub fn fault(behind: Option<Duration>, behind_messages: u64, silent: Duration) -> Option<String> {
    let span = |time: Duration| time::span(time.as_millis() as u64);
    if silent > LATE_AFTER {
        return Some(format!("has not reported for {}", span(silent)));
    }
    match behind {
        None => Some("has not applied the log yet".to_owned()),
        Some(behind) if behind > LATE_AFTER => {
            let messages = number::plural(behind_messages as usize, "message", "messages");
            Some(format!("is {} and {messages} behind", span(behind)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_silent_or_behind_is_at_fault() {
        let seconds = Duration::from_secs;
        assert_eq!(fault(Some(seconds(1)), 9, seconds(1)), None);
        assert_eq!(fault(Some(seconds(20)), 9, seconds(1)).unwrap(), "is 20 s and 9 messages behind");
        assert_eq!(fault(Some(seconds(1)), 9, seconds(60)).unwrap(), "has not reported for 1 min");
        assert_eq!(fault(None, 9, seconds(0)).unwrap(), "has not applied the log yet");
    }
}
