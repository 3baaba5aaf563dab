//! See `rialto_checks::snapshot_load`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::snapshot_load(bytes));
