//! See `oplogsync_core::testing::fuzzing::evaluate_update`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::evaluate_update(bytes));
