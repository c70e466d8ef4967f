//! Fuzz target: any bytes as a response head.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::response_head(input));
