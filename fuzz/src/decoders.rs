//! Fuzz checks of every decoder, for any bytes.

use prost::Message as _;
use proto::convert::greeting::Greeting;
use proto::convert::live::{Decoder, Encoder};
use proto::convert::pages::{Fetch, HistoryPage, pages};
use proto::convert::rules::{desired, desired_rules, unsealed};
use proto::convert::taps;
use proto::convert::taps::TapUpdate;
use proto::convert::windows::{PackedWindow, decode_window, encode_window};
use proto::wire;
use proto::wire::{down, up};
use sidecar::body::{Body, To};
use sidecar::head::response::ResponseTo;
use sidecar::head::write::{Persistence, Plan};
use sidecar::head::{FIELDS_MAX, Framing, HEAD_BYTES_MAX, Parsed, request, response, slots, write};

use crate::reader::{self, End, Read};

/// The longest body that is generated behind a head.
const BODY_BYTES_MAX: u64 = 4096;

/// Fields that the tunnel may add; with them a head may exceed the sidecar's own limits.
const FIELDS_ADDED: usize = 4;

/// Every reader reads a forwarded request head as the same message.
pub(crate) fn request_head(input: &[u8]) {
    let mut room = slots();
    let Parsed::Complete(head, length) = request::parse(input, &mut room) else { return };
    if head.fields.len() > FIELDS_MAX - FIELDS_ADDED || length > HEAD_BYTES_MAX / 2 {
        return;
    }
    for end in [length - 1, length / 2] {
        assert_eq!(request::parse(&input[..end], &mut slots()).complete_length(), None, "a part is no whole");
    }
    let mut wire = Vec::new();
    write::request(&mut wire, &head, "service", write::Added::default());
    let mut again = slots();
    let Parsed::Complete(rewritten, written) = request::parse(&wire, &mut again) else { panic!("{wire:?} is not carried on") };
    assert_eq!((rewritten.framing, rewritten.method, written), (head.framing, head.method, wire.len()));
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX + FIELDS_ADDED];
    let mut lenient = httparse::Request::new(&mut fields);
    assert_eq!(lenient.parse(&wire), Ok(httparse::Status::Complete(wire.len())));
    let count = lenient.headers.len();
    if let Some(body) = body(head.framing) {
        wire.extend_from_slice(&body);
        wire.extend_from_slice(b"GET");
        match reader::request(&wire) {
            Ok(Read::Whole(message, length)) => {
                assert_eq!((length, message.fields.len(), message.first()), (wire.len() - 3, count, head.method));
            }
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(&wire)),
        }
    }
}

/// Every reader reads a forwarded response head as the same message.
pub(crate) fn response_head(input: &[u8]) {
    let mut room = slots();
    let Parsed::Complete(head, length) = response::parse(input, &mut room) else { return };
    if head.fields.len() > FIELDS_MAX - FIELDS_ADDED || length > HEAD_BYTES_MAX / 2 {
        return;
    }
    for end in [length - 1, length / 2] {
        assert_eq!(response::parse(&input[..end], &mut slots()).complete_length(), None, "a part is no whole");
    }
    for (asked, method) in [(ResponseTo::Whole, "GET"), (ResponseTo::HeadOnly, "HEAD")] {
        let framing = if head.status == 205 { Framing::Length(0) } else { head.framing(asked) };
        let framing = if framing == Framing::UntilClose { Framing::Chunked } else { framing };
        let plan = Plan { states_length: head.status != 204, framing, ..Plan::bare(Persistence::Keep) };
        let mut wire = Vec::new();
        write::response(&mut wire, &head, if head.is_interim() { Plan::bare(Persistence::Keep) } else { plan });
        let mut again = slots();
        let Parsed::Complete(rewritten, written) = response::parse(&wire, &mut again) else {
            panic!("{wire:?} is not carried on")
        };
        assert_eq!((rewritten.status, written), (head.status, wire.len()));
        if let Some(body) = body(framing) {
            wire.extend_from_slice(&body);
            wire.extend_from_slice(b"HTTP/1.1");
            match reader::answer(&wire, method, End::Open) {
                Ok(Read::Whole(message, length)) => {
                    assert_eq!((length, message.second().parse()), (wire.len() - 8, Ok(head.status)));
                }
                other => panic!("{other:?}: {:?}", String::from_utf8_lossy(&wire)),
            }
        }
    }
}

/// A shorthand for a complete parse.
trait CompleteLength {
    fn complete_length(&self) -> Option<usize>;
}

impl<T> CompleteLength for Parsed<T> {
    fn complete_length(&self) -> Option<usize> {
        if let Self::Complete(_, length) = self { Some(*length) } else { None }
    }
}

/// A body that fits the framing, unless it would be long.
fn body(framing: Framing) -> Option<Vec<u8>> {
    match framing {
        Framing::Empty => Some(Vec::new()),
        Framing::Length(bytes) => (bytes <= BODY_BYTES_MAX).then(|| vec![b'x'; bytes as usize]),
        Framing::Chunked => Some(b"1\r\nx\r\n0\r\n\r\n".to_vec()),
        Framing::UntilClose => None,
    }
}

/// A chunked body gives the same result however it is cut, and the rewritten one is well-formed.
pub(crate) fn chunked_body(input: &[u8]) {
    let Some((step, input)) = input.split_first() else { return };
    let steps = [input.len().max(1), usize::from(*step).max(1), 1];
    let plain = steps.map(|step| carry(input, To::Plain, step));
    assert!(plain.windows(2).all(|pair| pair[0] == pair[1]), "{plain:?}");
    for step in steps {
        let chunked = carry(input, To::Chunks, step);
        let (Some((plain, left)), Some((chunks, chunks_left))) = (&plain[0], &chunked) else {
            assert_eq!(plain[0].is_none(), chunked.is_none());
            continue;
        };
        assert_eq!(left, chunks_left);
        let answer = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], chunks].concat();
        match (reader::answer(&answer, "GET", End::Closed), left) {
            (Ok(Read::Whole(message, length)), Some(_)) => assert_eq!((&message.body, length), (plain, answer.len())),
            (Ok(Read::Partial), None) => {}
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(&answer)),
        }
    }
}

/// The output, and the bytes of input left over if the body has ended; `None` if it is malformed.
fn carry(input: &[u8], to: To, step: usize) -> Option<(Vec<u8>, Option<usize>)> {
    let (mut body, mut out, mut at) = (Body::new(Framing::Chunked, to), Vec::new(), 0);
    while at < input.len() && !body.is_done() {
        let part = &input[at..(at + step).min(input.len())];
        let carried = body.carry(part, &mut out).ok()?;
        out.extend_from_slice(carried.plain);
        at += carried.consumed;
    }
    Some((out, body.is_done().then(|| input.len() - at)))
}

/// Frames of the stream, each after its length in two bytes: every accepted one can be added up and sent on.
pub(crate) fn frames(input: &[u8]) {
    let mut decoder = Decoder::default();
    let mut rest = input;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (frame, next) = after.split_at(length);
        rest = next;
        if let Ok(up) = wire::Up::decode(frame) {
            take_up(up, &mut decoder);
        }
        if let Ok(down) = wire::Down::decode(frame) {
            take_down(down);
        }
    }
}

fn take_down(down: wire::Down) {
    match down.message {
        Some(down::Message::Desired(set)) => {
            if let Ok(rules) = unsealed(&set).map_err(drop).and_then(|set| desired_rules(set).map_err(drop)) {
                assert_eq!(desired_rules(desired(&rules)), Ok(rules));
            }
        }
        Some(down::Message::Fetch(fetch)) => {
            if let Ok(fetch) = Fetch::try_from(fetch) {
                assert_eq!(Fetch::try_from(wire::Fetch::from(fetch.clone())), Ok(fetch));
            }
        }
        Some(down::Message::Taps(set)) => {
            if let Ok(wanted) = taps::taps(set) {
                assert_eq!(taps::taps(taps::set(wanted.iter())), Ok(wanted));
            }
        }
        _ => {}
    }
}

fn take_up(up: wire::Up, decoder: &mut Decoder) {
    match up.message {
        Some(up::Message::Hello(hello)) => {
            if let Ok(greeting) = Greeting::try_from(hello) {
                assert_eq!(Greeting::try_from(wire::Hello::from(greeting.clone())), Ok(greeting));
            }
        }
        Some(up::Message::Live(live)) => {
            if let Ok(report) = decoder.decode(&live) {
                for endpoint in &report.endpoints {
                    let mut sum = endpoint.golden.clone();
                    sum.merge(&endpoint.golden);
                    assert!(sum.quantile_us(0.99).is_none_or(f64::is_finite) && sum.mean_us().is_none_or(f64::is_finite));
                    let _ = (sum.since(&endpoint.golden), endpoint.golden.since(&sum), sum.failures(), sum.served());
                }
                let sent_on = Encoder::default().encode(&report);
                Decoder::default().decode(&sent_on.encode_to_vec()).expect("what was let in once is let in again");
            }
        }
        Some(up::Message::Window(window)) => {
            if let Ok(window) = decode_window(decoder, &window).map(PackedWindow::unpack) {
                let mut sum = window.clone();
                sum.append(window.clone());
                assert!(sum.last_slot() >= window.id && sum.rows.len() == window.rows.len() && sum.to_ms() > sum.from_ms());
                let sent_on = encode_window(&mut Encoder::default(), &window).encode_to_vec().into();
                let again = decode_window(&mut Decoder::default(), &sent_on).map(PackedWindow::unpack);
                assert_eq!(again, Ok(window), "what was let in once is let in again");
            }
        }
        Some(up::Message::Page(page)) => {
            if let Ok(page) = HistoryPage::try_from(page) {
                let sent_on = pages(page.id, &page.exchanges).remove(0);
                assert_eq!(HistoryPage::try_from(sent_on).map(|again| again.exchanges.len()), Ok(page.exchanges.len()));
            }
        }
        Some(up::Message::Tapped(tapped)) => {
            if let Ok(tapped) = TapUpdate::try_from(tapped) {
                TapUpdate::try_from(wire::Tapped::from(tapped)).expect("what was let in once is let in again");
            }
        }
        Some(up::Message::Applied(applied)) => {
            let _ = mesh_receipt(applied);
        }
        _ => {}
    }
}

fn mesh_receipt(applied: wire::Applied) -> Option<wire::Applied> {
    mesh::rule::Receipt::try_from(applied).ok().map(wire::Applied::from)
}
