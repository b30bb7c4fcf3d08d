//! A disk that fails from some step on: nothing is answered any more, and when the store is opened again the
//! call in question is done or not, and the store goes on.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use oplogsync_core::{documents::Documents, store_error::Fault};

use super::known::{Known, STEPS};
use crate::{
    engine::{Options, Step, Store, Watch},
    suite::script::lease,
};

/// Calls among which all kinds are.
const SCRIPT: (u64, usize) = (13, 40);

/// A watch under which `works` steps succeed and all later ones fail; the first of those is remembered.
fn failing(works: usize, steps: &Arc<AtomicUsize>, first: &Arc<Mutex<Option<Step>>>) -> Watch {
    let (steps, first) = (Arc::clone(steps), Arc::clone(first));
    Arc::new(move |step, _| {
        if steps.fetch_add(1, Ordering::SeqCst) < works {
            return Ok(());
        }
        first.lock().unwrap().get_or_insert(step);
        // An open that fails has nothing to poison; it is of the disk only.
        let is_opening = matches!(step, Step::CleanUp | Step::Open | Step::SyncFolder);
        match works % 3 {
            _ if is_opening => Err(io::Error::from_raw_os_error(5)),
            0 => Err(io::ErrorKind::StorageFull.into()),
            1 => Err(io::Error::from_raw_os_error(5)),
            _ => panic!("a page is not what it was"),
        }
    })
}

/// Runs the script on a disk that fails after `works` steps; returns the step that failed first.
async fn fail_after(works: usize, known: &Known) -> Step {
    let folder = tempfile::tempdir().unwrap();
    let first = Arc::default();
    let watch = failing(works, &Arc::default(), &first);
    let opened = Store::open_watched(folder.path(), "a", Options::default(), watch);
    let step = || first.lock().unwrap().expect("a step has failed");
    let mut made = 0;
    if let Ok(store) = opened {
        lease(&store).await;
        let (failed, fault) = known.run(&store, |_| ()).await.expect("a call fails");
        let meant = [Fault::Full, Fault::Poisoned, Fault::Corrupt];
        assert_eq!(fault, meant[works % 3], "{:?}: {:?}", step(), known.calls[failed].0);
        assert_eq!(*store.checkpoint().await.unwrap_err().fault(), Fault::Poisoned, "{:?}", step());
        for (call, _) in &known.calls {
            assert_eq!(*call.make(&store).await.unwrap_err().fault(), Fault::Poisoned, "{:?}: {call:?}", step());
        }
        made = failed;
    }
    known.check(folder.path(), made).await;
    step()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_step_of_a_call_the_disk_fails_first_the_call_is_done_or_not() {
    let known = Arc::new(Known::new(SCRIPT.0, SCRIPT.1));
    let steps = Arc::default();
    let folder = tempfile::tempdir().unwrap();
    let watch = failing(usize::MAX, &steps, &Arc::default());
    let store = Store::open_watched(folder.path(), "a", Options::default(), watch).unwrap();
    lease(&store).await;
    assert_eq!(known.run(&store, |_| ()).await, None);
    drop(store);
    let (steps, next) = (steps.load(Ordering::SeqCst), Arc::new(AtomicUsize::new(0)));
    let runs = [0, 1].map(|_| {
        let (next, known) = (Arc::clone(&next), Arc::clone(&known));
        tokio::spawn(async move {
            let mut failed = BTreeSet::new();
            loop {
                let works = next.fetch_add(1, Ordering::SeqCst);
                if works >= steps {
                    return failed;
                }
                eprintln!("the disk fails after {works} of {steps} steps");
                failed.insert(fail_after(works, &known).await);
            }
        })
    });
    let mut failed = BTreeSet::new();
    for run in runs {
        failed.extend(run.await.unwrap());
    }
    assert!(STEPS.iter().all(|step| failed.contains(step)), "a kind of step never failed: {failed:?}");
    eprintln!("{steps} runs: each failed at another step, {failed:?}");
}
