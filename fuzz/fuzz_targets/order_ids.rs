//! See `oplogsync_core::testing::fuzzing::order_ids`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_core::testing::fuzzing::order_ids(bytes));
