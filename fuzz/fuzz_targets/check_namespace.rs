//! See `oplogsync_core::testing::fuzzing::check_namespace`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::check_namespace(bytes));
