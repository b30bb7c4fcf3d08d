//! Damaged files: an error that says so, or the data, but never something else, and no panic that escapes.
//!
//! Flipped bits, zeroed sectors and truncations, in every file of a folder, while it is closed or under an open store;
//! then the store is opened, read, written to, closed, and opened again.

mod case;
mod intact;

use std::{
    collections::BTreeMap,
    env,
    panic::{self, PanicHookInfo},
    path::Path,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use self::{
    case::{Case, Outcome},
    intact::Intact,
};
use crate::engine;

/// How many damages.
const CASES: &str = "OPLOGSYNC_DAMAGE_CASES";
const CASES_DEFAULT: u64 = 3000 / engine::SHARE as u64;
/// The first case; each case is a seed of its own.
const SEED: &str = "OPLOGSYNC_SEED";
const TEST: &str = "suite::rot::a_damaged_folder_is_an_error_or_the_data";
/// Far more than any case takes: a store that hangs on damage is found too.
const CASE_MAX: Duration = Duration::from_secs(120);

/// The engine's panics are contained and expected here; all others are told as ever.
fn silence_the_engine() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let is_of_engine = |file: &str| engine::SOURCES.iter().any(|source| file.contains(source));
            if !info.location().is_some_and(|location| is_of_engine(location.file())) {
                before(info);
            }
        }));
    });
}

/// Runs cases until there are enough, and tells what came of each.
fn run_cases(next: &AtomicU64, end: u64, intact: &[Intact], folder: &Path, outcomes: &mpsc::Sender<(Case, Outcome)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return;
        }
        eprintln!("again: {SEED}={seed} {CASES}=1 cargo test -p {} --test store {TEST}", env!("CARGO_PKG_NAME"));
        let (case, outcome) = runtime.block_on(case::run(seed, intact, &folder.join(seed.to_string())));
        eprintln!("{seed}: {case}: {outcome:?}");
        outcomes.send((case, outcome)).expect("the test waits");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_folder_is_an_error_or_the_data() {
    silence_the_engine();
    let (begun, folder) = (Instant::now(), tempfile::tempdir().unwrap());
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, cases) = (number(SEED, 0), number(CASES, CASES_DEFAULT));
    let intact = Arc::new(intact::all(&folder.path().join("intact")).await);
    let next = Arc::new(AtomicU64::new(first));
    let (teller, outcomes) = mpsc::channel();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (next, intact, teller) = (Arc::clone(&next), Arc::clone(&intact), teller.clone());
            let folder = folder.path().to_owned();
            thread::spawn(move || run_cases(&next, first + cases, &intact, &folder, &teller))
        })
        .collect();
    drop(teller);
    let mut counts = BTreeMap::<_, BTreeMap<Outcome, u64>>::new();
    let mut count = 0;
    loop {
        match outcomes.recv_timeout(CASE_MAX) {
            Ok((case, outcome)) => {
                *counts.entry((case.file, case.damage)).or_default().entry(outcome).or_default() += 1;
                count += 1;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a case hangs"),
        }
    }
    for worker in workers {
        worker.join().expect("no case has failed");
    }
    for (kind, outcomes) in &counts {
        eprintln!("{kind:?}: {outcomes:?}");
    }
    eprintln!("{count} damages in {:.0?}: 0 read wrong, 0 panics", begun.elapsed());
    assert_eq!(count, cases);
    if cases == CASES_DEFAULT {
        let kinds = engine::FILES.iter().flat_map(|file| case::Damage::ALL.map(|damage| (*file, damage)));
        assert!(kinds.clone().all(|kind| counts.contains_key(&kind)), "a kind of damage was left out: {counts:?}");
        let of = |outcome| counts.values().filter_map(|outcomes| outcomes.get(&outcome)).sum::<u64>();
        assert!(of(Outcome::Refused) > 0 && of(Outcome::Whole) > 0, "the damage is not what it should be");
    }
}
