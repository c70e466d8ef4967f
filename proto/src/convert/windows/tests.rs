//! Tests: a window survives encoding and decoding next to reports, and an error names the broken field.

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report, Seen};
use mesh::window::{SLOT_MAX, SPAN_MAX, Window, WindowKind, WindowRow};
use proptest::prelude::*;
use prost::Message as _;

use crate::convert::InvalidMessage;
use crate::convert::live::{Decoder, Encoder};
use crate::convert::windows::{PackedWindow, decode_window, encode_window};
use crate::wire;

fn packed(window: wire::Window) -> prost::bytes::Bytes {
    window.encode_to_vec().into()
}

fn decode(decoder: &mut Decoder, window: wire::Window) -> Result<Window, InvalidMessage> {
    decode_window(decoder, &packed(window)).map(PackedWindow::unpack)
}

fn row(route: &str, latencies_us: &[u64]) -> WindowRow {
    let mut golden = GoldenMetrics::default();
    golden.hits = latencies_us.len() as u64;
    for took_us in latencies_us {
        golden.time(*took_us, took_us / 3);
        golden.carry(took_us % 7, took_us % 1000);
        golden.add_status(if took_us % 2 == 0 { 200 } else { 503 }, 1);
    }
    let seen = (!latencies_us.is_empty()).then_some(Seen { first_ms: 5, last_ms: 999_000 });
    WindowRow { endpoint: Endpoint::named("GET", route).unwrap(), is_file: true, golden, seen }
}

fn refusal(window: wire::Window) -> String {
    decode(&mut Decoder::default(), window).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn a_window_survives_the_wire(latencies in prop::collection::vec(0_u64..1 << 36, 0..80), id in 1..SLOT_MAX - 9, span in 1_u32..9) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let rows = vec![row("/a", &latencies), row("/b/{id}", &[7])];
        for kind in [WindowKind::Change, WindowKind::Baseline] {
            let span = if kind == WindowKind::Change { span } else { 1 };
            let sent = Window { id, span, kind, rows: rows.clone() };
            let wire = encode_window(&mut encoder, &sent);
            prop_assert_eq!(wire.defs.len(), if kind == WindowKind::Change { 2 } else { 0 });
            prop_assert_eq!(decode(&mut decoder, wire).unwrap(), sent);
        }
    }
}

#[test]
fn reports_and_windows_of_a_stream_share_its_definitions() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let WindowRow { endpoint, is_file, golden, .. } = row("/a", &[5]);
    let endpoints =
        vec![EndpointReport { endpoint, is_file, in_flight: 0, seen: None, golden, callers: Callers::default(), recent: vec![] }];
    let report = Report { seq: 1, coverage: Coverage::Snapshot, at_ms: 5, endpoints, resources: None, rules: Vec::new() };
    let live = encoder.encode(&report);
    assert_eq!(decoder.decode(&live.encode_to_vec()), Ok(report));
    let window = Window::from_slot(7, vec![row("/a", &[5])]);
    let wire = encode_window(&mut encoder, &window);
    assert_eq!((wire.defs.len(), decode(&mut decoder, wire)), (0, Ok(window)));
}

#[test]
fn an_empty_baseline_of_mark_0_says_that_nothing_is_durable() {
    let nothing = Window { id: 0, span: 1, kind: WindowKind::Baseline, rows: vec![] };
    assert_eq!(decode(&mut Decoder::default(), encode_window(&mut Encoder::default(), &nothing)), Ok(nothing));
}

#[test]
fn a_stretch_outside_the_calendar_is_refused() {
    let window = |id, span, baseline| wire::Window { id, span, baseline, ..Default::default() };
    assert_eq!(refusal(window(5, 0, false)), format!("span makes no sense: 0 is outside 1 to {SPAN_MAX}"));
    assert_eq!(refusal(window(5, u32::MAX, false)), format!("span makes no sense: 4294967295 is outside 1 to {SPAN_MAX}"));
    assert_eq!(refusal(window(5, 2, true)), "span makes no sense: 2 is outside 1 to 1");
    assert_eq!(refusal(window(0, 1, false)), format!("id makes no sense: 0 is outside 1 to {SLOT_MAX}"));
    for (id, span) in [(u64::MAX, 1), (SLOT_MAX, 2)] {
        assert_eq!(refusal(window(id, span, false)), format!("id makes no sense: {id} is outside 1 to {SLOT_MAX}"));
    }
    assert!(decode(&mut Decoder::default(), window(SLOT_MAX, 1, false)).is_ok());
}

#[test]
fn rows_that_cannot_be_true_are_refused() {
    let window = |stats| wire::Window { id: 5, span: 1, stats, ..Default::default() };
    let stat = |id, untimed| wire::Stat { id, untimed, ..Default::default() };
    assert_eq!(refusal(window(vec![stat(7, 1)])), "stats makes no sense: number 7 was never defined");
    assert_eq!(refusal(window(vec![stat(0, 1), stat(0, 1)])), "stats makes no sense: number 0 is there twice");
    assert_eq!(refusal(window(vec![stat(0, -1)])), "stats makes no sense: of (other), a number is over 2^50");
    let many = vec![stat(0, 1); 100_000];
    assert!(matches!(decode(&mut Decoder::default(), window(many)), Err(InvalidMessage::TooMuch { field: "stats", .. })));
}
