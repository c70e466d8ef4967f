//! Fuzz target: any bytes as frames of the control plane stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::frames(input));
