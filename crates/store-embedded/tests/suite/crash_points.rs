//! A crash before or after any step of two nodes: every step that a workload takes, each time that it takes it.
//!
//! At each point the files of both nodes are copied: what a kill at that moment leaves. The copies
//! are opened like after a crash, must keep the laws, and must go on where the crash has cut them off.
//!
//! | in general | step here |
//! |---|---|
//! | append | `Append`: the engine takes the entries |
//! | journal acknowledgement | `Sync`, and `Mark` that remembers it; before it `Flush` |
//! | apply, checkpoint | `Apply`: documents, collections, digests and checkpoint are one batch; behind it `Sweep` |
//! | flush | `Flush` |
//! | floor | `Floor`; the sync after it comes before the first `Truncate` |
//! | truncate | `Truncate` |
//! | snapshot clean-up | `CleanUp`, then `Open` |
//!
//! Between append and apply lies the acknowledgement of the log: after the `Mark` of an append, before an `Apply`.
//!
//! Before each `Sync` the power is lost as well: what is left then is what the last sync has found, and nothing newer.

mod camera;

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use oplogsync_core::testing::manual_host::ManualHost;

use self::camera::{Camera, Counts, Crash, Cut, Point};
use crate::{
    engine::{self, Durability, Moment, Options, Step, Store, Watch},
    suite::{
        pair::{NODES, Pair, Run, Workload, unwatched},
        whole::{Whole, host},
        writes::op_id,
    },
};

const WORKLOAD: Workload =
    Workload { writes: 50 / engine::SHARE as u64, replicate_every: 5, trim_every: 12, reopen_every: 17 };
/// Nothing is synced after the crash: what counts is what was on the disk before.
const UNSYNCED: Options = Options { durability: Durability::None };

/// Runs the workload, and tells each point to `watch`, with the number of acknowledgements so far.
async fn run(folder: &Path, watch: impl Fn(Point, usize) + Send + Sync + 'static) -> Vec<(u64, u64)> {
    let (count, watch) = (Arc::new(AtomicUsize::new(0)), Arc::new(watch));
    let watches = NODES.map(|node| {
        let (count, watch) = (Arc::clone(&count), Arc::clone(&watch));
        let watch: Watch = Arc::new(move |step, moment| {
            watch((node, step, moment), count.load(Ordering::SeqCst));
            Ok(())
        });
        watch
    });
    let acknowledged = Mutex::new(Vec::new());
    let acknowledge = |number, index| {
        acknowledged.lock().unwrap().push((number, index));
        count.fetch_add(1, Ordering::SeqCst);
    };
    Run::new(folder, host(), watches, &acknowledge).go(WORKLOAD).await.unwrap();
    acknowledged.into_inner().unwrap()
}

/// The workload without a crash, and how often it comes to each point.
async fn counted() -> (Whole, Counts) {
    let points = Arc::new(Mutex::new(Counts::new()));
    let watches = NODES.map(|node| {
        let points = Arc::clone(&points);
        let watch: Watch = Arc::new(move |step, moment| {
            let (mut points, point) = (points.lock().unwrap(), (node, step, moment));
            *points.entry((Cut::Kill, point)).or_default() += 1;
            if (step, moment) == (Step::Sync, Moment::Before) {
                *points.entry((Cut::PowerLoss, point)).or_default() += 1;
            }
            Ok(())
        });
        watch
    });
    let whole = Whole::of(WORKLOAD, watches).await;
    let points = std::mem::take(&mut *points.lock().unwrap());
    (whole, points)
}

/// What is left after a crash keeps the laws, and goes on.
async fn check(crash: &Crash, whole: &Whole) {
    let open = |node| Store::open(crash.files.join(node), node, UNSYNCED).unwrap();
    let [source, target] = NODES.map(open);
    let acknowledged = &whole.acknowledged[..crash.acknowledged];
    let mut oracle = whole.oracle(&source, acknowledged).await;
    oracle.check(&source, &target).await;
    drop((source, target));

    let host = ManualHost::standing(8);
    host.advance(Duration::from_secs(3600));
    let mut pair = Pair::open(&crash.files, UNSYNCED, &host, unwatched()).await.unwrap();
    let next = acknowledged.last().map_or(1, |(number, _)| number + 1);
    // The write that the crash has cut off is tried again, and is there once.
    for number in next..next + 2 {
        if let Some((position, _)) = pair.write(number).await.unwrap().and_then(|written| written.entry) {
            oracle.acknowledge(op_id(number), position.index);
        }
    }
    pair.replicate().await.unwrap();
    let found = oracle.check(&pair.source, &pair.target).await;
    assert_eq!((found.primary, found.replica), (found.head, found.head), "both are at the head");
    oracle.let_go(&pair.source).await;
    host.advance(Duration::from_secs(1));
    pair.trim().await.unwrap();
    assert_eq!(oracle.check(&pair.source, &pair.target).await.floor, found.head, "a trim that was cut off is finished");
}

/// Checks crashes until there are no more, and counts them.
fn check_all(waiting: &Mutex<mpsc::Receiver<Crash>>, whole: &Whole) -> Counts {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut checked = Counts::new();
    loop {
        let next = waiting.lock().unwrap().recv();
        let Ok(crash) = next else { return checked };
        let Crash { cut, point, occurrence, acknowledged, .. } = &crash;
        eprintln!("{cut:?} at {point:?}, occurrence {occurrence}, after {acknowledged} acknowledgements");
        runtime.block_on(check(&crash, whole));
        fs::remove_dir_all(&crash.files).unwrap();
        *checked.entry((*cut, *point)).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    let begun = Instant::now();
    let (whole, points) = counted().await;
    let whole = Arc::new(whole);
    let folder = tempfile::tempdir().unwrap();
    // A few copies at a time: they take space.
    let (crashes, waiting) = mpsc::sync_channel(8);
    let waiting = Arc::new(Mutex::new(waiting));
    let checkers = [0, 1].map(|_| {
        let (waiting, whole) = (Arc::clone(&waiting), Arc::clone(&whole));
        thread::spawn(move || check_all(&waiting, &whole))
    });
    // When the checkers fail, nobody is to wait for them.
    drop(waiting);
    let live = folder.path().join("live");
    let camera = Camera::new(&live, folder.path(), crashes);
    let acknowledged = run(&live, move |point, acknowledged| camera.see(point, acknowledged)).await;
    assert_eq!(acknowledged, whole.acknowledged, "the workload is the same each time");
    let mut checked = Counts::new();
    for checker in checkers {
        for (point, count) in checker.join().unwrap() {
            *checked.entry(point).or_default() += count;
        }
    }
    assert_eq!(checked, points, "every occurrence of every step was a crash");
    for (point, count) in &checked {
        eprintln!("{point:?}: {count}");
    }
    eprintln!("{} crashes in {:.0?}: 0 lost", checked.values().sum::<usize>(), begun.elapsed());
}
