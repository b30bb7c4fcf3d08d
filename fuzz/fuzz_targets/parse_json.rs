//! See `oplogsync::fuzzing::parse_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync::fuzzing::parse_json(bytes));
