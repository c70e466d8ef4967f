//! The examples of RFC 7541, appendix C, and properties of the two coders.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::hpack::decoder::Decoder;
use crate::hpack::encoder::Encoder;
use crate::hpack::{Field, HpackError, Indexing, huffman, integer};

mod appendix_c;

/// A decoded field: name, value, sensitivity.
type Owned = (Vec<u8>, Vec<u8>, Indexing);

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Owned>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, |field| fields.push((field.name.to_vec(), field.value.to_vec(), field.indexing)))?;
    Ok(fields)
}

fn encode(encoder: &mut Encoder, fields: &[Owned]) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value, indexing) in fields {
        encoder.field(Field { name, value, indexing: *indexing }, &mut block);
    }
    block
}

fn owned(name: &str, value: &str) -> Owned {
    (name.into(), value.into(), Indexing::Allowed)
}

/// Huffman-codes a string, from the lengths of the codes alone.
fn huffman_encode(string: &[u8]) -> Vec<u8> {
    let mut codes = [(0, 0); 257];
    let mut code = 0_u64;
    for bits in 1..=30 {
        for symbol in (0..257).filter(|symbol| u32::from(huffman::CODE_BITS[*symbol]) == bits) {
            codes[symbol] = (code, bits);
            code += 1;
        }
        code <<= 1;
    }
    let bits = |(code, bits): (u64, u32)| (0..bits).rev().map(move |bit| (code >> bit & 1) as u8);
    let mut all: Vec<u8> = string.iter().flat_map(|byte| bits(codes[usize::from(*byte)])).collect();
    all.resize(all.len().next_multiple_of(8), 1);
    all.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[test]
fn integers_of_appendix_c_1() {
    for (value, prefix_bits, bytes) in [(10, 5, &[0b01010][..]), (1337, 5, &[0b11111, 0b1001_1010, 0b1010]), (42, 8, &[42])] {
        let mut encoded = Vec::new();
        integer::encode(&mut encoded, value, prefix_bits, 0);
        assert_eq!(encoded, bytes);
        if prefix_bits < 8 {
            assert_eq!(integer::decode(bytes, &mut 0, prefix_bits), Ok(value));
        }
    }
}

#[test]
fn broken_blocks_are_errors() {
    let cases: [(&[u8], HpackError); 14] = [
        (&[0x80], HpackError::Index),
        (&[0xbe], HpackError::Index),
        (&[0x7e, 0x00], HpackError::Index),
        (&[0xff], HpackError::Truncated),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x00], HpackError::IntegerOverflow),
        (&[0x00], HpackError::Truncated),
        (&[0x00, 0x02, b'a'], HpackError::Truncated),
        (&[0x00, 0x01, b'a'], HpackError::Truncated),
        (&[0x00, 0x7f, 0xff, 0xff, 0xff, 0x7f], HpackError::Truncated),
        // Padding of a whole byte, of zero bits, and the end of string.
        (&[0x00, 0x82, 0x1f, 0xff, 0x00], HpackError::Huffman),
        (&[0x00, 0x81, 0x18, 0x00], HpackError::Huffman),
        (&[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00], HpackError::Huffman),
        (&[0x3f, 0xe2, 0x1f], HpackError::TableSize),
        (&[0x82, 0x20], HpackError::TableSizeOrder),
    ];
    for (block, error) in cases {
        assert_eq!(decode(&mut Decoder::default(), block), Err(error), "{block:x?}");
    }
}

#[test]
fn a_reduced_table_must_be_acknowledged_by_the_next_block() {
    let mut decoder = Decoder::default();
    decoder.set_size_limit(100);
    assert_eq!(decode(&mut decoder, &[0x82]), Err(HpackError::TableSizeOrder));
    assert_eq!(decode(&mut decoder, &[0x3f, 0x45, 0x82]), Ok(vec![owned(":method", "GET")]));
    assert_eq!(decode(&mut decoder, &[0x82]), Ok(vec![owned(":method", "GET")]));
}

#[test]
fn the_encoder_announces_the_smallest_and_the_last_size() {
    let mut encoder = Encoder::default();
    encoder.set_size_limit(0);
    encoder.set_size_limit(100);
    assert_eq!(encode(&mut encoder, &[owned(":method", "GET")]), [0x20, 0x3f, 0x45, 0x82]);
    assert_eq!(encode(&mut encoder, &[owned(":method", "GET")]), [0x82]);
    // The table does not grow beyond our own limit.
    encoder.set_size_limit(1 << 20);
    assert_eq!(encode(&mut encoder, &[]), [0x3f, 0xe1, 0x1f]);
}

#[test]
fn a_field_is_indexed_when_it_repeats() {
    let mut encoder = Encoder::default();
    let field = [owned("x-tenant", "blue")];
    let sizes = [(); 4].map(|()| encode(&mut encoder, &field).len());
    assert_eq!(sizes, [15, 15, 1, 1]);
}

#[test]
fn secrets_are_never_indexed() {
    let mut encoder = Encoder::default();
    let marked = ("x-key".into(), "k".into(), Indexing::Never);
    let secrets = [owned("authorization", "Basic x"), owned("set-cookie", "id=1"), owned("cookie", "short"), marked];
    for secret in secrets {
        for _ in 0..3 {
            let block = encode(&mut encoder, std::slice::from_ref(&secret));
            assert_eq!(block[0] & 0xf0, 0x10, "{secret:?}");
            assert_eq!(decode(&mut Decoder::default(), &block).unwrap()[0].2, Indexing::Never);
        }
    }
}

/// Fields from a small vocabulary, so that they repeat, and from any bytes.
fn any_field() -> impl Strategy<Value = Owned> {
    let names = ["accept", "x-a", ":path", ":status", "cookie", "authorization", "x-long-name-of-a-field"];
    let values = ["", "a", "200", "/", "b=c; d=e; f=g; h=i; j=k", "text/plain"];
    let known = (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()))
        .prop_map(|(name, value)| owned(name, value));
    let unusual = (vec(any::<u8>(), 1..30), vec(any::<u8>(), 0..300)).prop_map(|(n, v)| (n, v, Indexing::Allowed));
    let never = (vec(any::<u8>(), 1..9), vec(any::<u8>(), 0..9)).prop_map(|(n, v)| (n, v, Indexing::Never));
    prop_oneof![8 => known, 2 => unusual, 1 => never]
}

proptest! {
    #[test]
    fn integers_survive(value in 0_usize..1 << 28, prefix_bits in 4_u32..8) {
        let mut bytes = Vec::new();
        integer::encode(&mut bytes, value, prefix_bits, 0);
        let mut at = 0;
        prop_assert_eq!(integer::decode(&bytes, &mut at, prefix_bits), Ok(value));
        prop_assert_eq!(at, bytes.len());
    }

    #[test]
    fn huffman_strings_survive(string in vec(any::<u8>(), 0..100)) {
        let mut decoded = Vec::new();
        huffman::decode(&huffman_encode(&string), &mut decoded).unwrap();
        prop_assert_eq!(decoded, string);
    }

    #[test]
    fn what_is_encoded_is_decoded(blocks in vec((vec(any_field(), 0..20), prop::option::of(0_usize..6000)), 1..20)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        decoder.set_size_limit(6000);
        for (fields, size) in blocks {
            if let Some(size) = size {
                encoder.set_size_limit(size);
            }
            let decoded = decode(&mut decoder, &encode(&mut encoder, &fields)).unwrap();
            let pairs = |fields: &[Owned]| fields.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect::<Vec<_>>();
            prop_assert_eq!(pairs(&decoded), pairs(&fields));
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(blocks in vec(vec(any::<u8>(), 0..200), 1..10)) {
        let mut decoder = Decoder::default();
        for block in blocks {
            let _ = decode(&mut decoder, &block);
        }
    }
}
