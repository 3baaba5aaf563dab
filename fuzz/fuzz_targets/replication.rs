//! See `rialto_checks::replication`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::replication(bytes));
