//! Feeds any bytes to the check of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::http2(input));
