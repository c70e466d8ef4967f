//! Fuzz target: any bytes as a client's HTTP/1 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::connection(input));
