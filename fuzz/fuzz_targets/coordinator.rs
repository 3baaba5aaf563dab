//! See `rialto_checks::coordinator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::coordinator(bytes));
