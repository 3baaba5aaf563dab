//! See `rialto_checks::line_decoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rialto_checks::line_decoder(bytes));
