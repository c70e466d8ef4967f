//! The blocks of RFC 7541, appendices C.2 to C.6.

use super::{Owned, decode, huffman_encode, owned};
use crate::hpack::Indexing;
use crate::hpack::decoder::Decoder;
use crate::hpack::huffman;

/// A block in hexadecimal digits, and what it means.
type Example<'a> = (&'a str, &'a [(&'a str, &'a str)]);

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ],
];

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[track_caller]
fn check(decoder: &mut Decoder, examples: [Example<'_>; 3]) {
    for (block, fields) in examples {
        let fields: Vec<Owned> = fields.iter().map(|(name, value)| owned(name, value)).collect();
        assert_eq!(decode(decoder, &bytes(block)), Ok(fields), "{block}");
    }
}

/// The responses fill a table of 256 bytes, so that entries are evicted.
fn small_decoder() -> Decoder {
    let mut decoder = Decoder::default();
    decoder.set_size_limit(256);
    decode(&mut decoder, &bytes("3fe101")).unwrap();
    decoder
}

#[test]
fn c_2_each_representation() {
    let mut decoder = Decoder::default();
    let literal = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(
        &mut decoder,
        [
            (literal, &[("custom-key", "custom-header")]),
            ("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")]),
            ("82", &[(":method", "GET")]),
        ],
    );
    let never = decode(&mut decoder, &bytes("1008 7061 7373 776f 7264 0673 6563 7265 74"));
    assert_eq!(never, Ok(vec![("password".into(), "secret".into(), Indexing::Never)]));
    assert_eq!(decode(&mut decoder, &bytes("be")), Ok(vec![owned("custom-key", "custom-header")]));
}

#[test]
fn c_3_requests() {
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    check(&mut Decoder::default(), [0, 1, 2].map(|i| (blocks[i], REQUESTS[i])));
}

#[test]
fn c_4_requests_with_huffman_coding() {
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    check(&mut Decoder::default(), [0, 1, 2].map(|i| (blocks[i], REQUESTS[i])));
}

#[test]
fn c_5_responses() {
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d \
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f \
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b \
         2076 6572 7369 6f6e 3d31",
    ];
    check(&mut small_decoder(), [0, 1, 2].map(|i| (blocks[i], RESPONSES[i])));
}

#[test]
fn c_6_responses_with_huffman_coding() {
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 \
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 \
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    check(&mut small_decoder(), [0, 1, 2].map(|i| (blocks[i], RESPONSES[i])));
}

#[test]
fn the_code_of_appendix_b_gives_the_strings_of_appendix_c() {
    for (string, coded) in [("www.example.com", "f1e3 c2e5 f23a 6ba0 ab90 f4ff"), ("no-cache", "a8eb 1064 9cbf")] {
        assert_eq!(huffman_encode(string.as_bytes()), bytes(coded));
        let mut decoded = Vec::new();
        huffman::decode(&bytes(coded), &mut decoded).unwrap();
        assert_eq!(decoded, string.as_bytes());
    }
}
