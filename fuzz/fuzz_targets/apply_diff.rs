//! See `oplogsync_core::testing::fuzzing::apply_diff`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::apply_diff(bytes));
