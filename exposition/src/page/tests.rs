//! Tests that all formats contain the same metrics, and that no label value can break its line.

use mesh::histogram::Histogram;

use crate::format::Format;
use crate::page::{Exposition, FamilyKind, SampleValue};

fn page() -> Exposition {
    let mut page = Exposition::default();
    page.counter("sitio_things", "Things.", 3);
    page.gauge("sitio_now", "Now.", 4);
    page.family(FamilyKind::Gauge, "sitio_empty", "Nothing.");
    page.family(FamilyKind::Counter, "sitio_kinds", "Kinds.").add(vec![("a", "x\"} 1\n# \\".to_owned())], SampleValue::Count(5));
    let mut latency = Histogram::default();
    for value in [0, 900, 250_000, 250_001] {
        latency.record(value);
    }
    let durations = page.family(FamilyKind::Histogram, "took_seconds", "Took.");
    durations.add(vec![("route", "/a".to_owned())], SampleValue::Durations(latency, 500_901));
    page.family(FamilyKind::Histogram, "size_bytes", "Size.").add(Vec::new(), SampleValue::Sizes(2, 77));
    page
}

#[test]
fn the_classic_text_declares_its_families() {
    let text = String::from_utf8(page().encode(Format::Text)).unwrap();
    for lines in [
        "# HELP sitio_things_total Things.\n# TYPE sitio_things_total counter\nsitio_things_total 3\n",
        "# TYPE sitio_now gauge\nsitio_now 4\n",
        "sitio_kinds_total{a=\"x\\\"} 1\\n# \\\\\"} 5\n",
        "# TYPE took_seconds histogram\ntook_seconds_sum{route=\"/a\"} 0.500901\ntook_seconds_count{route=\"/a\"} 4\n",
        "took_seconds_bucket{le=\"0.0009765625\",route=\"/a\"} 2\n",
        "took_seconds_bucket{le=\"0.25\",route=\"/a\"} 3\n",
        "took_seconds_bucket{le=\"+Inf\",route=\"/a\"} 4\n",
        "size_bytes_sum 77.0\nsize_bytes_count 2\nsize_bytes_bucket{le=\"+Inf\"} 2\n",
    ] {
        assert!(text.contains(lines), "{lines} is missing in {text}");
    }
    assert!(!text.contains("sitio_empty") && !text.contains("# EOF"), "{text}");
}

#[test]
fn open_metrics_ends_as_it_must() {
    let text = String::from_utf8(page().encode(Format::OpenMetrics)).unwrap();
    assert!(text.contains("# TYPE sitio_things counter\nsitio_things_total 3\n"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn the_binary_format_has_every_family_behind_its_length() {
    let reported = page().encode(Format::Protobuf);
    let (mut at, mut names) = (0, Vec::new());
    while at < reported.len() {
        let mut length = 0;
        for shift in (0..).step_by(7) {
            let byte = reported[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        // The name is the first field: its tag, its length, its text.
        let family = &reported[at..at + length];
        names.push(String::from_utf8(family[2..2 + usize::from(family[1])].to_vec()).unwrap());
        at += length;
    }
    assert_eq!(names, ["sitio_things_total", "sitio_now", "sitio_kinds_total", "took_seconds", "size_bytes"]);
}
