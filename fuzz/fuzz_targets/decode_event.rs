//! See `oplogsync_store_mongo::fuzzing::decode_event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oplogsync_store_mongo::fuzzing::decode_event(bytes));
