//! See `rialto_checks::fix_decoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::fix_decoder(bytes));
