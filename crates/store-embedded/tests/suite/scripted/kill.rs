//! A process that is killed in any call, also in the middle of a drop or copy of many documents: the call is
//! done or not, and the next process goes on.

use std::{
    env,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use oplogsync_core::{store_error::Fault, testing::random::Random};

use super::{LARGE, SEED, UNSYNCED, open};
use crate::{
    engine::{self, Options},
    suite::{
        script::{Script, state},
        tell::tell,
    },
};

/// Set for the child: the folder of its store.
const FOLDER: &str = "OPLOGSYNC_SCRIPT_FOLDER";
/// Set for the child: how many calls of the script were made.
const MADE: &str = "OPLOGSYNC_SCRIPT_MADE";
/// How often to kill.
const CYCLES: &str = "OPLOGSYNC_SCRIPT_CYCLES";
const CYCLES_DEFAULT: u64 = 60;
const SIGKILL: i32 = 9;
const TEST: &str = "suite::scripted::kill::a_call_that_a_kill_cuts_off_is_done_or_not";

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Makes calls until it is killed, from the one on that may be done already.
async fn work(folder: &Path, seed: u64, made: u64) {
    let mut script = Script::new(seed, LARGE);
    for _ in 0..made {
        drop(script.next());
    }
    let store = open(folder, Options::default()).await;
    // The test harness has left the cursor in the middle of a line.
    tell(format_args!("\nready"));
    for number in made + 1.. {
        let (call, expected) = script.next();
        let answer = call.make(&store).await.map_err(|error| error.fault().clone());
        let is_again = number == made + 1 && matches!(answer, Err(Fault::CheckpointMoved { .. }));
        assert!(is_again || answer == expected, "{call:?}: {answer:?}");
        tell(format_args!("made {number}"));
    }
}

/// Runs a child, kills it some time after it has opened its folder, and returns how many calls were answered.
fn run_and_kill(folder: &Path, seed: u64, made: u64, wait: Duration) -> u64 {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).env(SEED, seed.to_string()).env(MADE, made.to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut answered = made;
    let mut listen = |until: &str| {
        loop {
            let mut line = Vec::new();
            out.read_until(b'\n', &mut line).unwrap();
            // A kill can cut off the last one.
            let Some(line) = line.strip_suffix(b"\n") else { return false };
            let line = std::str::from_utf8(line).unwrap();
            if let Some(number) = line.strip_prefix("made ") {
                answered = number.parse().unwrap();
            }
            if line == until {
                return true;
            }
        }
    };
    assert!(listen("ready"), "the child ended by itself: {}", child.wait().unwrap());
    // A kill has to come at a moment that nothing announces.
    thread::sleep(wait);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "the child ended by itself");
    listen("the end");
    answered
}

#[tokio::test]
async fn a_call_that_a_kill_cuts_off_is_done_or_not() {
    if let Some(folder) = env::var_os(FOLDER) {
        return Box::pin(work(Path::new(&folder), number(SEED).unwrap(), number(MADE).unwrap())).await;
    }
    let nanos = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let (seed, cycles) = (number(SEED).unwrap_or_else(|| nanos().into()), number(CYCLES).unwrap_or(CYCLES_DEFAULT));
    eprintln!("again: {SEED}={seed} {CYCLES}={cycles} cargo test -p {} --test store {TEST}", env!("CARGO_PKG_NAME"));
    let (begun, mut random, folder) = (Instant::now(), Random::new(seed), tempfile::tempdir().unwrap());
    engine::prepare(folder.path());
    let mut script = Script::new(seed, LARGE);
    let (mut made, mut cut_off) = (0, 0);
    for cycle in 0..cycles {
        let wait = Duration::from_micros(random.below(5000 << (cycle % 6)));
        let answered = run_and_kill(folder.path(), seed, made, wait);
        while made < answered {
            drop(script.next());
            made += 1;
        }
        // In between the next child opens what this kill has left.
        if cycle % 3 == 2 {
            continue;
        }
        let store = open(folder.path(), UNSYNCED).await;
        let found = state(&store).await;
        if found == script.state() {
            continue;
        }
        let (call, expected) = script.next();
        made += 1;
        cut_off += 1;
        // What a copy has done in part is done by the next try.
        let answer = call.make(&store).await.map_err(|error| error.fault().clone());
        let is_done = found == script.state();
        assert!(is_done || answer == expected, "cycle {cycle}: {call:?}: {answer:?}");
        assert!(state(&store).await == script.state(), "cycle {cycle}: neither before nor after {call:?}");
    }
    eprintln!("{cycles} kills in {:.0?}, {made} calls, {cut_off} done and not answered", begun.elapsed());
    assert!(made > cycles, "the children did not do what they should");
}
