//! `oplogsync`: keeps replicas in step with a primary, by the change stream of a replica set or by an oplog of our
//! own, and tests that offline.
//!
//! A library only so that fuzz targets reach its parsers; the program is [`main`].
//!
//! Arguments become a validated configuration, and one `match` in `commands` runs the command. Which store a node is
//! (`node`) and what its replicas follow (`upstream`) is chosen here, at run time.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod config;
mod conn_string;
mod exit;
mod failure;
mod fault_list;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod help;
mod holder;
mod json;
mod lines;
mod logging;
mod mix;
mod node;
mod out;
mod reporter;
mod show;
mod signals;
mod survey;
mod upstream;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::{args::Args, exit::Exit, failure::Failure, out::Out};

/// The program: what it says goes to standard output and error, how it ends is its exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return answer_usage(&error),
    };
    match run(args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit().into()
        }
    }
}

/// Help and version are answers, everything else is wrong usage.
fn answer_usage(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    // A reader that is gone has no use for the text, nor for a complaint about that.
    let _closed = error.print();
    exit.into()
}

fn run(args: Args) -> Result<Exit, Failure> {
    let mut out = Out::stdout(&args.global);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unexpected(error, "start the runtime"))?;
    let ended = runtime.block_on(commands::run(args, &mut out));
    // The process ends now, and the runtime with it, as it stands. To shut it down first would wait for what is blocked
    // (a read of standard input, say), and it takes a pool of connections away from a request of the driver's own (to
    // close a cursor, say) that another thread is at that moment making, which then panics.
    std::mem::forget(runtime);
    ended
}
