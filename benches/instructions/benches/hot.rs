//! Instructions of the hot functions for a thousand entries, each under a limit: a clock on a busy machine
//! tells nothing, and these are the same in every run. What makes one grow by more than a few in a hundred
//! is to be found, or the limit to be raised with a reason.

#![expect(clippy::expect_used, reason = "who fails at once must not be taken for fast")]
#![expect(missing_docs, reason = "the macros make public items of functions that nobody calls")]

use std::hint::black_box;

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use oplogsync_core::{
    batch::{Batch, Change},
    codec::{self, Decoder},
    digest::NamespaceDigest,
    entry::Entry,
    testing::chain::log_id,
};
use oplogsync_instructions::{batch, encoded, entries, origin};

// As in the program; and that of the system would count as many as its version likes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// More than this many instructions for a thousand entries fail the run.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark(config = at_most(780_000))]
#[bench::mix(setup = entries, args = (100))]
fn encode(entries: Vec<Entry>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    for entry in &entries {
        bytes.clear();
        codec::encode(black_box(entry), &mut bytes);
    }
    bytes
}

#[library_benchmark(config = at_most(4_320_000))]
#[bench::mix(setup = encoded)]
fn decode(encoded: Vec<Vec<u8>>) -> Vec<Entry> {
    let mut decoder = Decoder::default();
    encoded.iter().map(|bytes| decoder.decode(black_box(bytes)).expect("an entry")).collect()
}

#[library_benchmark(config = at_most(57_000))]
#[bench::mix(setup = entries, args = (100))]
fn check(entries: Vec<Entry>) -> Batch {
    Batch::new(log_id(1), origin(), black_box(entries)).expect("entries that form a log")
}

#[library_benchmark(config = at_most(1_960_000))]
#[bench::hundred_documents(setup = batch, args = (100))]
#[bench::one_document(setup = batch, args = (1))]
fn fold(batch: Batch) -> (Batch, Vec<Change>) {
    let changes = black_box(&batch).fold().expect("a log without contradictions");
    (batch, changes)
}

#[library_benchmark(config = at_most(1_380_000))]
#[bench::mix(setup = batch, args = (100))]
fn digest(batch: Batch) -> (Batch, NamespaceDigest) {
    let mut digest = NamespaceDigest::default();
    for change in black_box(&batch).steps() {
        if let Some(document) = &change.after {
            digest.add(document);
        }
    }
    (batch, digest)
}

library_benchmark_group!(
    name = hot;
    benchmarks = encode, decode, check, fold, digest
);
main!(library_benchmark_groups = hot);
