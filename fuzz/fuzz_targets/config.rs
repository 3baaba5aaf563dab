//! See `rialto_checks::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::config(bytes));
