//! See `oplogsync::fuzzing::parse_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync::fuzzing::parse_config(bytes));
