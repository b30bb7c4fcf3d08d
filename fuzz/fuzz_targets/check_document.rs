//! See `oplogsync_core::testing::fuzzing::check_document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::check_document(bytes));
