//! The program `oplogsync`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// An apply allocates a few times for each entry, and this one is up to twice as fast at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    oplogsync::main()
}
