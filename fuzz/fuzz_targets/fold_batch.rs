//! See `oplogsync_core::testing::fuzzing::fold_batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::fold_batch(bytes));
