//! Fuzz target: any bytes as a request head.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::request_head(input));
