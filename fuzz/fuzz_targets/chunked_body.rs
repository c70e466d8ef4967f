//! Fuzz target: any bytes as a chunked body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::chunked_body(input));
