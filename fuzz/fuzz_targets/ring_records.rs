//! See `rialto_checks::ring_records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::ring_records(bytes));
