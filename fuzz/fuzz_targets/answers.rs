//! Fuzz target: any bytes as the response of the service.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::answers(input));
