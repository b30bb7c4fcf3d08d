//! See `oplogsync_store_embedded::fuzzing::decode_record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_store_embedded::fuzzing::decode_record(bytes));
