//! Fuzz target: any bytes as a client's HTTP/2 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::http2(input));
