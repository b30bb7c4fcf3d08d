//! `sim`: the rules under simulated faults, one schedule before your eyes or very many.

mod many;
mod one;
mod tally;
mod verdict;

use oplogsync_core::testing::sim::{FaultKind, Faults};
use serde_json::{Map, Value};

use crate::{args::SimArgs, exit::Exit, failure::Failure, fault_list::FaultList, out::Out, signals::Shutdown};

pub(crate) async fn run(args: SimArgs, shutdown: Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    match args.watched() {
        Some(schedule) => one::run(schedule, &shutdown, out).await,
        None => many::run(args, &shutdown, out).await,
    }
}

/// Runs what keeps the cores busy beside the runtime; yields nothing when a stop is asked for first.
/// What is not done then ends with the process.
async fn compute<T: Send + 'static>(
    shutdown: &Shutdown,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    tokio::select! {
        biased;
        () = shutdown.clone().requested() => Ok(None),
        done = tokio::task::spawn_blocking(work) => done.map(Some).map_err(defect),
    }
}

/// The simulator itself has failed; violations and panics of what it simulates are its results.
fn defect(error: tokio::task::JoinError) -> Failure {
    Failure::unexpected(error, "simulate")
}

/// How often each fault happened, as JSON.
fn counts_as_json(count_of: impl Fn(FaultKind) -> u64) -> Map<String, Value> {
    FaultKind::ALL.iter().map(|kind| (kind.name().to_owned(), count_of(*kind).into())).collect()
}

/// What may go wrong, in the head of the output.
fn describe(faults: Faults) -> String {
    if faults == Faults::all() {
        return format!("all {} faults", FaultKind::ALL.len());
    }
    format!("faults: {}", FaultList(faults))
}
