//! Fuzz target: any bytes as a service's answer over HTTP/2.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::http2_service(input));
