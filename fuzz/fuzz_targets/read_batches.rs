//! See `oplogsync_core::testing::fuzzing::read_batches`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::read_batches(bytes));
