//! See `oplogsync_core::testing::fuzzing::decode_entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::decode_entry(bytes));
