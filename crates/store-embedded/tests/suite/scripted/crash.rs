//! A crash before or after any step of any call: the call is done or not, and the store goes on.
//!
//! At each point the files are copied: what a kill at that moment leaves. Before each sync the power is lost
//! as well: what is left then is what the last sync has found, and nothing newer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::known::{Known, STEPS};
use crate::{
    engine::{Moment, Options, Step, Store, Watch},
    suite::{copy::copy_at_rest, script::lease},
};

/// Calls among which all kinds are, and drops of more than is deleted in one step.
const SCRIPT: (u64, usize) = (13, 60);

/// Files that a crash has left.
struct Crash {
    files: PathBuf,
    point: String,
    /// How many calls were answered.
    made: usize,
}

/// Copies what each crash would leave.
struct Camera {
    folder: PathBuf,
    made: AtomicUsize,
    taken: AtomicUsize,
    steps: Mutex<BTreeSet<Step>>,
    crashes: Mutex<mpsc::SyncSender<Crash>>,
}

impl Camera {
    fn see(&self, step: Step, moment: Moment) {
        self.steps.lock().unwrap().insert(step);
        let (live, synced) = (self.folder.join("live"), self.folder.join("synced"));
        self.take(&live, format!("kill, {moment:?} {step:?}"));
        match (step, moment) {
            (Step::Sync, Moment::Before) if synced.exists() => self.take(&synced, "loss of power".to_owned()),
            (Step::Sync, Moment::After) => {
                if synced.exists() {
                    fs::remove_dir_all(&synced).unwrap();
                }
                copy_at_rest(&live, &synced);
            }
            _ => {}
        }
    }

    fn take(&self, from: &Path, point: String) {
        let made = self.made.load(Ordering::SeqCst);
        let files = self.folder.join(format!("copy-{}", self.taken.fetch_add(1, Ordering::SeqCst)));
        copy_at_rest(from, &files);
        self.crashes.lock().unwrap().send(Crash { files, point, made }).expect("the checkers wait");
    }
}

/// Checks crashes until there are no more, and counts them.
fn check_all(waiting: &Mutex<mpsc::Receiver<Crash>>, known: &Known) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut checked = 0;
    loop {
        let next = waiting.lock().unwrap().recv();
        let Ok(Crash { files, point, made }) = next else { return checked };
        eprintln!("{point}, in call {made}: {:?}", known.calls.get(made).map(|(call, _)| call));
        runtime.block_on(known.check(&files, made));
        fs::remove_dir_all(&files).unwrap();
        checked += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_of_any_call_leaves_all_of_it_or_nothing() {
    let known = Arc::new(Known::new(SCRIPT.0, SCRIPT.1));
    let folder = tempfile::tempdir().unwrap();
    // A few copies at a time: they take space.
    let (crashes, waiting) = mpsc::sync_channel(8);
    let waiting = Arc::new(Mutex::new(waiting));
    let checkers = [0, 1].map(|_| {
        let (waiting, known) = (Arc::clone(&waiting), Arc::clone(&known));
        thread::spawn(move || check_all(&waiting, &known))
    });
    // When the checkers fail, nobody is to wait for them.
    drop(waiting);
    let camera = Arc::new(Camera {
        folder: folder.path().to_owned(),
        made: AtomicUsize::new(0),
        taken: AtomicUsize::new(0),
        steps: Mutex::default(),
        crashes: Mutex::new(crashes),
    });
    let watch: Watch = {
        let camera = Arc::clone(&camera);
        Arc::new(move |step, moment| {
            camera.see(step, moment);
            Ok(())
        })
    };
    let store = Store::open_watched(folder.path().join("live"), "a", Options::default(), watch).unwrap();
    lease(&store).await;
    let failed = known.run(&store, |made| camera.made.store(made, Ordering::SeqCst)).await;
    assert_eq!(failed, None);
    drop(store);
    let Ok(Camera { steps, taken, .. }) = Arc::try_unwrap(camera) else { panic!("nobody else has it") };
    let checked: usize = checkers.into_iter().map(|checker| checker.join().unwrap()).sum();
    assert_eq!(checked, taken.into_inner(), "every point was a crash");
    let steps = steps.into_inner().unwrap();
    assert!(STEPS.iter().all(|step| steps.contains(step)), "a kind of step never came: {steps:?}");
    eprintln!("{checked} crashes in {} calls", known.calls.len());
}
