//! See `rialto_checks::journal_recovery`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::journal_recovery(bytes));
