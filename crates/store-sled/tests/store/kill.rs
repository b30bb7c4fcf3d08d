//! A process that is killed at any moment, also while it opens, loses nothing that it acknowledged.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use oplogsync_core::{
    batch::Batch,
    documents::Documents,
    entry::Entry,
    log::{Appended, Log},
};
use oplogsync_store_sled::{Options, SledStore};

use crate::history::{Model, checked, continued, fold, lease, log};

/// Set for the child: the folder that it writes to.
const FOLDER: &str = "OPLOGSYNC_KILL_TEST_FOLDER";
/// How often to kill; for longer runs by hand.
const CYCLES: &str = "OPLOGSYNC_KILL_TEST_CYCLES";
const CYCLES_DEFAULT: u32 = 40;
const TEST: &str = "kill::nothing_acknowledged_is_lost_by_a_kill";

/// What the child has told before it was killed.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    opened: bool,
    appended: u64,
    applied: u64,
}

/// Writes until it is killed, and tells what is acknowledged.
async fn write_until_killed(folder: &Path) {
    let tell = |what: &str, index: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{what} {index}").and_then(|()| out.flush()).expect("the parent reads");
    };
    let store = SledStore::open(folder, "child", Options::default()).expect("the folder opens after a kill");
    let owner = lease(&store).await;
    let mut head = store.create_log(log()).await.unwrap().head;
    let (entries, applied) = checked(&store).await;
    // The test harness has left the cursor in the middle of a line.
    tell("\nopened", head.position.index);
    let mut model: Model = fold(&entries);
    let mut unapplied: Vec<Entry> = entries.into_iter().skip(usize::try_from(applied).unwrap()).collect();
    let mut after = store.checkpoint().await.unwrap().map_or(Entry::origin(log()), |checkpoint| checkpoint.anchor);
    loop {
        let count = usize::try_from(head.position.index % 13 + 1).unwrap();
        let next = continued(head, &mut model, count);
        assert_eq!(store.append(&next).await.unwrap(), Appended::All);
        head = next.last().unwrap().anchor();
        tell("appended", head.position.index);
        unapplied.extend(next);
        let batch = Batch::new(log(), after, std::mem::take(&mut unapplied)).unwrap();
        store.apply(&batch, owner).await.unwrap();
        after = batch.last();
        tell("applied", after.position.index);
    }
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Kills the child after `delay`, counted from its start or from when it has opened the folder,
/// and returns what it had told.
fn kill(mut child: Child, once_open: bool, delay: Duration) -> Told {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = Told::default();
    if once_open {
        told.opened = lines.any(|line| line.starts_with("opened"));
    }
    // A kill has to come at a moment that nothing announces.
    thread::sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "the child ended by itself: {status}");
    for line in lines {
        // The last line may be cut off in its number, which then is too small: no harm.
        match line.split_once(' ') {
            Some(("opened", _)) => told.opened = true,
            Some(("appended", index)) => told.appended = index.parse().unwrap_or(told.appended),
            Some(("applied", index)) => told.applied = index.parse().unwrap_or(told.applied),
            _ => {}
        }
    }
    told
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    if let Some(folder) = env::var_os(FOLDER) {
        return write_until_killed(Path::new(&folder)).await;
    }
    let cycles = env::var(CYCLES).map_or(CYCLES_DEFAULT, |text| text.parse().unwrap());
    let mut random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    eprintln!("seed {random}");
    let folder = tempfile::tempdir().unwrap();
    let mut most = Told::default();
    let (mut while_opening, mut while_writing) = (0, 0);
    for cycle in 0..cycles {
        let child = start(folder.path());
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // From 5 ms to 160 ms, so that slow and fast machines are hit in every phase.
        let delay_max = 5_000_u64 << (cycle / 2 % 6);
        let delay = Duration::from_micros(u64::from(random >> 8) % delay_max);
        let told = kill(child, cycle % 2 == 1, delay);
        if told.opened {
            while_writing += 1;
        } else {
            while_opening += 1;
        }
        most =
            Told { opened: true, appended: most.appended.max(told.appended), applied: most.applied.max(told.applied) };
        // In between the next child recovers what this kill has left, and may be killed doing so.
        if cycle % 4 == 3 {
            let store = SledStore::open(folder.path(), "parent", Options::default()).unwrap();
            let (entries, applied) = checked(&store).await;
            assert!(entries.len() as u64 >= most.appended, "{} of {most:?}", entries.len());
            assert!(applied >= most.applied, "{applied} of {most:?}");
        }
    }
    eprintln!("killed {while_opening} times before it was open, {while_writing} times while it wrote: {most:?}");
    assert!(while_opening > 0 && while_writing > 0, "the kills hit only one phase");
}
