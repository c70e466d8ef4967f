//! Tests of the number formats.

use crate::number::*;

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
fn one_thing_is_singular() {
    assert_eq!(plural(1, "pod", "pods"), "1 pod");
    assert_eq!(plural(1204, "pod", "pods"), "1,204 pods");
}
