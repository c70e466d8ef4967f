//! Tests of the dashboard's number formats.

use crate::dashboard::format::*;

#[test]
fn latency_has_three_digits_and_turns_into_seconds() {
    for (us, text) in [
        (0.0, "0.00 ms"),
        (620.0, "0.62 ms"),
        (994.0, "0.99 ms"),
        (996.0, "1.0 ms"),
        (9100.0, "9.1 ms"),
        (9960.0, "10 ms"),
        (212_000.0, "212 ms"),
        (999_400.0, "999 ms"),
        (999_600.0, "1.00 s"),
        (1_240_000.0, "1.24 s"),
        (75_000_000.0, "75.0 s"),
        (1_024_000_000.0, "1,024 s"),
    ] {
        assert_eq!(latency(Some(us)).words(), text, "{us}");
    }
    assert_eq!(latency(None).words(), MISSING);
}

#[test]
fn rates_lose_decimals_as_they_grow() {
    for (per_second, text) in [
        (0.0, "0"),
        (0.001, "<0.01"),
        (0.42, "0.42"),
        (8.0, "8.00"),
        (9.996, "10.0"),
        (41.6, "41.6"),
        (99.96, "100"),
        (1503.0, "1,503"),
        (9999.6, "10.0k"),
        (12_400.0, "12.4k"),
        (1_250_000.0, "1.2M"),
    ] {
        assert_eq!(rate(per_second), text, "{per_second}");
    }
}

#[test]
fn counts_have_their_thousands_apart() {
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (145_800, "145,800"), (1_234_567, "1,234,567")] {
        assert_eq!(count(number), text);
    }
}

#[test]
fn percentages_have_three_digits_and_a_true_zero() {
    for (ratio, text) in [
        (0.0, "0 %"),
        (0.000_01, "<0.01 %"),
        (0.0031, "0.31 %"),
        (0.009_99, "1.0 %"),
        (0.079, "7.9 %"),
        (0.12, "12 %"),
        (1.0, "100 %"),
    ] {
        assert_eq!(percent(ratio).words(), text, "{ratio}");
    }
}

#[test]
fn payload_counts_in_thousands_and_memory_in_1024s() {
    for (bytes, text) in [
        (0.0, "0 B"),
        (205.0, "205 B"),
        (999.6, "1.0 kB"),
        (8300.0, "8.3 kB"),
        (48_100.0, "48.1 kB"),
        (620_000.0, "620 kB"),
        (1_900_000.0, "1.9 MB"),
        (3e12, "3.0 TB"),
    ] {
        assert_eq!(payload(bytes).words(), text, "{bytes}");
    }
    assert_eq!(memory(387 << 20).words(), "387 MiB");
    assert_eq!(memory(4915 << 20).words(), "4.8 GiB");
}

#[test]
fn ages_and_spans_read_like_speech() {
    for (s, text) in [(0, "now"), (1, "now"), (3, "3 s"), (120, "2 min"), (7200, "2 h"), (2_678_400, "31 d")] {
        assert_eq!(age(s * 1000), text);
    }
    for (s, text) in [
        (12, "12 s"),
        (2520, "42 min"),
        (3600, "1 h"),
        (68_520, "19 h 02 min"),
        (2_703_600, "31 d 7 h"),
        (86_400, "24 h"),
        (604_805, "7 d"),
    ] {
        assert_eq!(span(s * 1000), text);
    }
    assert_eq!((left(3_599_000), left(61_000), left(59_900)), ("1 h".into(), "2 min".into(), "59 s".into()));
    assert_eq!(plural(1, "pod", "pods"), "1 pod");
    assert_eq!(plural(1204, "pod", "pods"), "1,204 pods");
}

#[test]
fn instants_are_told_in_universal_time() {
    let unix_ms = 1_763_647_661_000;
    assert_eq!(clock(unix_ms), "14:07:41");
    assert_eq!(day(unix_ms), "20 November 2025");
    assert_eq!(day_and_time(unix_ms), "20 Nov 14:07");
    assert_eq!(instant(unix_ms), "2025-11-20T14:07:41.000Z");
    assert_eq!(clock(u64::MAX).len(), 8);
}
