//! Comparison with the window before, as a sign and a word: the meaning never depends on colour alone.

use mesh::golden::GoldenMetrics;

use crate::model::window::QueryWindow;
use crate::query::snapshot::Snapshot;
use format::health::{REQUESTS_MIN, ratio};
use format::{number, time};

/// A change below half a percent is shown as none.
const SAME_BELOW: f64 = 0.005;

/// From this growth on, the change is written as a factor instead of a percentage.
const TIMES_FROM: f64 = 10.0;

/// `▲ up 12 %`, `▼ down 3.1 %`, `▲ up 14×` or `= same`; empty if a value is unknown or `before` is zero.
pub fn moved(now: Option<f64>, before: Option<f64>) -> String {
    let Some((now, before)) = now.zip(before).filter(|(_, before)| *before > 0.0) else { return String::new() };
    let change = now / before - 1.0;
    match change {
        _ if change.abs() < SAME_BELOW => "= same".into(),
        more if more >= TIMES_FROM => format!("▲ up {:.0}×", now / before),
        more if more > 0.0 => format!("▲ up {}", number::percent(more).words()),
        less => format!("▼ down {}", number::percent(-less).words()),
    }
}

/// The change of the failure ratio: `▲ up from 0.40 %`. Empty if there are too few requests.
pub fn failing(now: &GoldenMetrics, before: &GoldenMetrics) -> String {
    if before.served() < REQUESTS_MIN || now.served() < REQUESTS_MIN {
        return String::new();
    }
    let (now, before) = (share(now), share(before));
    let words = number::percent(before).words();
    if number::percent(now).words() == words {
        return if before == 0.0 { String::new() } else { "= same".into() };
    }
    if now > before { format!("▲ up from {words}") } else { format!("▼ down from {words}") }
}

/// `the 5 min before`.
pub fn before_words(snapshot: &Snapshot) -> String {
    format!("the {} before", time::span(snapshot.window_ms()))
}

/// The whole comparison as one sentence, for the page of an endpoint.
pub fn sentence(now: &GoldenMetrics, before: &GoldenMetrics, snapshot: &Snapshot) -> String {
    if snapshot.before_ms.is_none() {
        let since = time::span(snapshot.taken_ms.saturating_sub(snapshot.since_ms));
        return match snapshot.window {
            QueryWindow::All => String::new(),
            QueryWindow::Last(_) | QueryWindow::Between(_) => {
                format!("Not compared with {}: counting started {since} ago.", before_words(snapshot))
            }
        };
    }
    let hits = match (now.hits, before.hits) {
        (_, 0) => "hits: none then".to_owned(),
        (now, then) => format!("hits {}, from {}", moved(Some(now as f64), Some(then as f64)), number::count(then)),
    };
    let failing = match failing(now, before) {
        words if words.is_empty() => "5xx: too few requests, or none failed".to_owned(),
        words => format!("5xx {words}"),
    };
    let (p95_us, then_us) = (now.quantile_us(0.95), before.quantile_us(0.95));
    let p95 = match moved(p95_us, then_us) {
        words if words.is_empty() => "p95: unknown".to_owned(),
        words => format!("p95 {words}, from {}", number::latency(then_us).words()),
    };
    format!("Against {}: {hits}; {failing}; {p95}.", before_words(snapshot))
}

fn share(golden: &GoldenMetrics) -> f64 {
    ratio(golden.failures(), golden.served())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::golden;

    #[test]
    fn a_sign_goes_with_a_word() {
        let reported = |now, before| moved(Some(now), Some(before));
        assert_eq!((reported(112.0, 100.0).as_str(), reported(97.0, 100.0).as_str()), ("▲ up 12 %", "▼ down 3.0 %"));
        assert_eq!((reported(100.2, 100.0).as_str(), reported(1500.0, 100.0).as_str()), ("= same", "▲ up 15×"));
        assert_eq!((reported(1.0, 0.0).as_str(), moved(None, Some(1.0)).as_str()), ("", ""));
        assert_eq!(failing(&golden(100, 8, 1), &golden(1000, 4, 1)), "▲ up from 0.40 %");
        assert_eq!(failing(&golden(1000, 4, 1), &golden(100, 8, 1)), "▼ down from 8.0 %");
        assert_eq!(failing(&golden(10, 4, 1), &golden(100, 8, 1)), "", "ten requests say little");
    }

    #[test]
    fn the_sentence_says_against_what_or_why_not() {
        let mut snapshot = sample::snapshot();
        let reported = sentence(&golden(1120, 22, 14), &golden(1000, 4, 7), &snapshot);
        let expected = "Against the 5 min before: hits ▲ up 12 %, from 1,000; 5xx ▲ up from 0.40 %; p95 ▲ up 100 %, from 6.9 ms.";
        assert_eq!(reported, expected);
        let reported = sentence(&golden(5, 0, 14), &GoldenMetrics::default(), &snapshot);
        assert_eq!(reported, "Against the 5 min before: hits: none then; 5xx: too few requests, or none failed; p95: unknown.");
        (snapshot.before_ms, snapshot.since_ms) = (None, snapshot.taken_ms - 420_000);
        let reported = sentence(&golden(5, 0, 14), &GoldenMetrics::default(), &snapshot);
        assert_eq!(reported, "Not compared with the 5 min before: counting started 7 min ago.");
    }
}
