//! What connections allocate: nothing in the steady state, and never more than their limits.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use http2::error_code::ErrorCode;
use http2::frame::EndStream::Yes;
use http2::limits::Limits;

use crate::recorder::{Recorder, frame, get, headers, rst_stream, server};

mod forward;
#[expect(dead_code, reason = "the other tests use the rest")]
mod recorder;

/// What one connection may hold under the default limits, besides its received content: a field block, its fields, and
/// the buffers that grew by doubling.
const HELD_BYTES_MAX: u64 = 700 * 1024;

#[test]
fn a_forwarded_exchange_allocates_nothing() {
    let mut proxy = forward::Proxy::new(100);
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| proxy.exchange()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// The frames of one stream.
type Attack = fn(u32) -> Vec<u8>;

/// A field block that adds one large field to the table, and then refers to it many times.
fn bomb(stream: u32) -> Vec<u8> {
    // The value has 3,000 bytes: 127, and 2,873 in groups of seven bits.
    let mut block = vec![0x82, 0x86, 0x84, 0x40, 1, b'x', 0x7f, 0xb9, 0x16];
    block.extend([b'v'; 3_000]);
    let mut input = frame(1, 1, stream, &block);
    input.extend(frame(9, 0, stream, &[0xbe; 15_000]).repeat(7));
    input.extend(frame(9, 4, stream, &[]));
    input
}

#[test]
fn no_attack_makes_a_connection_hold_more_than_its_limits() {
    let attacks: [(&str, u32, Attack); 4] = [
        ("references to a large field", 50, bomb),
        ("malformed requests", 3_000, |stream| headers(stream, [], Yes)),
        ("open requests", 3_000, |stream| headers(stream, get(), Yes)),
        ("requests that are reset", 3_000, |stream| {
            [headers(stream, get(), Yes), rst_stream(stream, ErrorCode::CANCEL)].concat()
        }),
    ];
    for (name, rounds, attack) in attacks {
        let mut connection = server(Limits::default());
        let inputs: Vec<Vec<u8>> = (0..rounds).map(|round| attack(2 * round + 1)).collect();
        let counted = allocation_counter::measure(|| {
            for input in &inputs {
                let mut recorder = Recorder::default();
                assert_eq!(connection.receive(input, &mut recorder).unwrap(), input.len());
                connection.advance_output(usize::MAX);
            }
        });
        assert!(counted.bytes_max < HELD_BYTES_MAX, "{name}: {counted:?}");
    }
}
