//! A disk that fails from some step on, with an error or with a panic of the engine: nothing is acknowledged after
//! it, nothing is done until the store is opened again, and then everything is there that was acknowledged.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use oplogsync_core::{documents::Documents, log::Log, store_error::Fault};

use crate::{
    engine::{self, Moment, Step, Watch},
    suite::{
        pair::{NODES, Run, Workload},
        tell::told,
        whole::{Whole, host},
    },
};

const WORKLOAD: Workload = Workload { writes: 12, replicate_every: 3, trim_every: 5, reopen_every: 7 };

/// A disk under both nodes that fails after some steps.
#[derive(Default)]
struct Disk {
    steps: AtomicUsize,
    healed: AtomicBool,
    failed: [AtomicBool; 2],
    /// The first step that has failed.
    first: Mutex<Option<(&'static str, Step, Moment)>>,
}

impl Disk {
    /// Both nodes on one disk, whose step `works` and all later ones fail with `error`.
    fn watches(self: &Arc<Self>, works: usize, error: fn() -> io::Error) -> [Watch; 2] {
        [0, 1].map(|node| {
            let disk = Arc::clone(self);
            let watch: Watch = Arc::new(move |step, moment| {
                if disk.steps.fetch_add(1, Ordering::SeqCst) < works || disk.healed.load(Ordering::SeqCst) {
                    return Ok(());
                }
                disk.failed[node].store(true, Ordering::SeqCst);
                disk.first.lock().unwrap().get_or_insert((NODES[node], step, moment));
                // An open that fails has nothing to poison; it is of the disk only.
                Err(if is_opening(step) { broken() } else { error() })
            });
            watch
        })
    }

    fn failed(&self, node: usize) -> bool {
        self.failed[node].load(Ordering::SeqCst)
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// What a broken disk answers (`EIO`).
fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// What the engine does when it does not find on the disk what it has written.
fn panicking() -> io::Error {
    panic!("a page is not what it was")
}

fn is_opening(step: Step) -> bool {
    matches!(step, Step::CleanUp | Step::Open | Step::SyncFolder)
}

/// Runs the workload on a disk that fails after `works` steps; returns the first step that failed.
async fn fail_after(works: usize, whole: &Whole) -> (&'static str, Step, Moment) {
    let folder = tempfile::tempdir().unwrap();
    let (error, meant): (fn() -> io::Error, _) = match works / engine::SHARE % 3 {
        0 => (full, Fault::Full),
        1 => (broken, Fault::Poisoned),
        _ => (panicking, Fault::Corrupt),
    };
    let disk = Arc::new(Disk::default());
    let acknowledged = Mutex::new(Vec::new());
    let count = || acknowledged.lock().unwrap().len();
    let acknowledge = |number, index| acknowledged.lock().unwrap().push((number, index));
    let mut run = Run::new(folder.path(), host(), disk.watches(works, error), &acknowledge);

    let failure = run.go(WORKLOAD).await.unwrap_err();

    let first = disk.first.lock().unwrap().unwrap();
    let fault = match first.1 {
        // Nothing has been done yet.
        Step::CleanUp | Step::Open => Fault::Unavailable,
        Step::SyncFolder => Fault::Poisoned,
        _ => meant,
    };
    let told_later = told(&failure).contains(&format!("the first failure was: {fault}"));
    assert!(*failure.fault() == fault || (*failure.fault() == Fault::Poisoned && told_later), "{first:?}: {failure:?}");
    let before = count();
    if run.pair.is_some() {
        for _ in 0..3 {
            drop(run.write().await);
            assert_eq!(count(), before, "{first:?}: acknowledged on a broken disk");
        }
        disk.healed.store(true, Ordering::SeqCst);
        let pair = run.pair.as_ref().unwrap();
        if disk.failed(0) {
            let error = run.pair.as_ref().unwrap().source.log_ends().await.unwrap_err();
            assert_eq!(*error.fault(), Fault::Poisoned);
        }
        if disk.failed(1) {
            assert_eq!(*pair.target.checkpoint().await.unwrap_err().fault(), Fault::Poisoned);
        }
        if disk.failed(0) {
            assert_eq!(*run.write().await.unwrap_err().fault(), Fault::Poisoned);
        }
        assert_eq!(count(), before, "{first:?}: acknowledged by a poisoned store");
    }
    disk.healed.store(true, Ordering::SeqCst);
    run.pair = None;
    run.open().await.unwrap();
    let known = acknowledged.lock().unwrap().clone();
    let pair = run.pair.as_ref().unwrap();
    let mut oracle = whole.oracle(&pair.source, &known).await;
    oracle.check(&pair.source, &pair.target).await;
    for _ in 0..3 {
        run.write().await.unwrap();
    }
    let pair = run.pair.as_mut().unwrap();
    pair.replicate().await.unwrap();
    let found = oracle.check(&pair.source, &pair.target).await;
    assert_eq!((found.primary, found.replica), (found.head, found.head), "both are at the head");
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_step_the_disk_fails_first_nothing_is_acknowledged_until_the_store_is_opened_again() {
    let begun = Instant::now();
    let disk = Arc::new(Disk::default());
    let whole = Arc::new(Whole::of(WORKLOAD, disk.watches(usize::MAX, full)).await);
    let steps = disk.steps.load(Ordering::SeqCst);
    let next = Arc::new(AtomicUsize::new(0));
    let runs = [0, 1].map(|_| {
        let (next, whole) = (Arc::clone(&next), Arc::clone(&whole));
        tokio::spawn(async move {
            let mut failed = BTreeMap::<_, usize>::new();
            loop {
                let works = next.fetch_add(engine::SHARE, Ordering::SeqCst);
                if works >= steps {
                    return failed;
                }
                eprintln!("the disk fails after {works} of {steps} steps");
                *failed.entry(fail_after(works, &whole).await).or_default() += 1;
            }
        })
    });
    let mut failed = BTreeMap::<_, usize>::new();
    for run in runs {
        for (point, count) in run.await.unwrap() {
            *failed.entry(point).or_default() += count;
        }
    }
    for (point, count) in &failed {
        eprintln!("{point:?}: {count}");
    }
    let runs = failed.values().sum::<usize>();
    assert_eq!(runs, steps.div_ceil(engine::SHARE), "each step was the first to fail");
    eprintln!("{runs} runs in {:.0?}: no acknowledgement after a failure, 0 lost", begun.elapsed());
}
