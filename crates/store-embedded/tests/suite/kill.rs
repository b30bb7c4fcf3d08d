//! A process that is killed at any moment, also while it recovers, loses nothing that it acknowledged.
//!
//! The process is a primary and a replica at once: writers that tell what was acknowledged, a
//! replicator that follows them into a second folder, and retention that trims behind it.

mod child;

use std::{
    collections::BTreeSet,
    env, fmt,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use oplogsync_core::testing::random::Random;

use crate::{
    engine::{self, Options, Store},
    suite::{oracle::Oracle, writes::op_id},
};

/// Set for the child: the folder of its two nodes.
const FOLDER: &str = "OPLOGSYNC_KILL_TEST_FOLDER";
/// Set for the child: the number of its first write, and those of the writes to try again.
const NUMBERS: &str = "OPLOGSYNC_KILL_TEST_NUMBERS";
/// How often to kill. The long run has 10,000 cycles.
const CYCLES: &str = "OPLOGSYNC_KILL_TEST_CYCLES";
const CYCLES_DEFAULT: u64 = 300;
/// The moments of a run; the machine has its part in them too.
const SEED: &str = "OPLOGSYNC_SEED";
const TEST: &str = "suite::kill::nothing_acknowledged_is_lost_by_a_kill";
const SIGKILL: i32 = 9;
/// Each child has that many numbers for its writes.
const NUMBERS_EACH: u64 = 1 << 20;

/// How far a child had come when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Starting,
    Opening,
    RollingForward,
    Writing,
}

/// How often children were killed in each phase.
#[derive(Debug, Default)]
struct Kills([u32; 4]);

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [starting, opening, rolling, writing] = self.0;
        write!(f, "{starting} while it started, {opening} while it opened its folders, ")?;
        write!(f, "{rolling} while it rolled forward, {writing} while it wrote")
    }
}

/// What the children have told.
#[derive(Debug, Default)]
struct Ledger {
    oracle: Oracle,
    /// Writes that were begun and not answered: the next child tries them again.
    open: BTreeSet<u64>,
    retried: u64,
    answered: u64,
}

impl Ledger {
    /// Notes a line of a child; returns how far it has come, if that is what the line says.
    fn note(&mut self, line: &str) -> Option<Phase> {
        let number = |text: &str| text.parse::<u64>().expect("a whole line");
        match *line.split(' ').collect::<Vec<_>>() {
            ["opening"] => return Some(Phase::Opening),
            ["opened"] => return Some(Phase::RollingForward),
            ["ready"] => return Some(Phase::Writing),
            ["begun", write] => drop(self.open.insert(number(write))),
            ["answered", write] => self.close(number(write)),
            ["answered", write, index] => {
                self.close(number(write));
                self.oracle.acknowledge(op_id(number(write)), number(index));
            }
            // The test harness tells something too.
            _ => {}
        }
        None
    }

    fn close(&mut self, write: u64) {
        assert!(self.open.remove(&write), "write {write} was answered and not begun");
        self.answered += 1;
    }
}

/// A child, and what it tells.
struct Running {
    process: Child,
    out: BufReader<ChildStdout>,
    phase: Phase,
}

impl Running {
    fn start(folder: &Path, first: u64, retried: &BTreeSet<u64>) -> Self {
        let numbers: Vec<String> = std::iter::once(&first).chain(retried).map(u64::to_string).collect();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(FOLDER, folder).env(NUMBERS, numbers.join(" "));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Self { process, out, phase: Phase::Starting }
    }

    /// Listens until the child has come to `phase`.
    fn listen_until(&mut self, phase: Phase, ledger: &mut Ledger) {
        while self.phase < phase {
            assert!(self.listen(ledger), "the child ended by itself: {}", self.process.wait().unwrap());
        }
    }

    /// Listens to one line; there is none any more when the child is dead. A kill can cut off the last one.
    fn listen(&mut self, ledger: &mut Ledger) -> bool {
        let mut line = Vec::new();
        self.out.read_until(b'\n', &mut line).unwrap();
        let Some(line) = line.strip_suffix(b"\n") else { return false };
        if let Some(phase) = ledger.note(std::str::from_utf8(line).unwrap()) {
            self.phase = phase;
        }
        true
    }

    fn kill(mut self, ledger: &mut Ledger) -> Phase {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "the child ended by itself: {status}");
        while self.listen(ledger) {}
        self.phase
    }
}

/// How long a child takes from one phase to the next: what the kills aim by, on slow and fast machines.
struct Pace {
    opening: Duration,
    rolling: Duration,
}

/// Starts a child and kills it, by turns: while it writes, while it opens its folders, while it rolls forward,
/// and at any time up to there.
fn run_and_kill(cycle: u64, folder: &Path, random: &mut Random, pace: &mut Pace, ledger: &mut Ledger) -> Phase {
    let retried = ledger.open.clone();
    ledger.retried += retried.len() as u64;
    let mut child = Running::start(folder, cycle * NUMBERS_EACH, &retried);
    let mut below = |bound: Duration| Duration::from_nanos(random.below(u64::try_from(bound.as_nanos()).unwrap()));
    // A kill has to come at a moment that nothing announces.
    match cycle % 4 {
        0 => {
            child.listen_until(Phase::Opening, ledger);
            let opening = Instant::now();
            child.listen_until(Phase::RollingForward, ledger);
            let rolling = Instant::now();
            child.listen_until(Phase::Writing, ledger);
            *pace = Pace { opening: rolling - opening, rolling: rolling.elapsed() };
            thread::sleep(below(Duration::from_millis(5 << (cycle / 4 % 6))));
        }
        1 => {
            child.listen_until(Phase::Opening, ledger);
            thread::sleep(below(pace.opening));
        }
        2 => {
            child.listen_until(Phase::RollingForward, ledger);
            thread::sleep(below(pace.rolling));
        }
        _ => thread::sleep(below(pace.opening * 2)),
    }
    child.kill(ledger)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    if let Some(folder) = env::var_os(FOLDER) {
        let numbers = env::var(NUMBERS).unwrap();
        let mut numbers = numbers.split(' ').map(|number| number.parse().unwrap());
        let first = numbers.next().unwrap();
        return Box::pin(child::work(Path::new(&folder), first, numbers.collect())).await;
    }
    let cycles = env::var(CYCLES).map_or(CYCLES_DEFAULT, |text| text.parse().unwrap());
    let nanos = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = env::var(SEED).map_or_else(|_| u64::from(nanos()), |text| text.parse().unwrap());
    eprintln!("again: {SEED}={seed} {CYCLES}={cycles} cargo test -p {} --test store {TEST}", env!("CARGO_PKG_NAME"));
    let (begun, mut random, folder) = (Instant::now(), Random::new(seed), tempfile::tempdir().unwrap());
    let (mut kills, mut ledger) = (Kills::default(), Ledger::default());
    let mut pace = Pace { opening: Duration::from_millis(50), rolling: Duration::from_millis(2) };
    let (mut checks, mut trimmed) = (0, 0);
    for node in ["primary", "replica"] {
        engine::prepare(&folder.path().join(node));
    }
    let open = |node: &str| Store::open(folder.path().join(node), node, Options::default()).unwrap();
    ledger.oracle.follow(&open("primary")).await;
    for cycle in 0..cycles {
        let phase = run_and_kill(cycle, folder.path(), &mut random, &mut pace, &mut ledger);
        kills.0[phase as usize] += 1;
        // In between the next child recovers what this kill has left, and may be killed doing so.
        if cycle % 5 == 4 {
            let (primary, replica) = (open("primary"), open("replica"));
            let found = ledger.oracle.check(&primary, &replica).await;
            ledger.oracle.let_go(&primary).await;
            (checks, trimmed) = (checks + 1, found.floor);
        }
    }
    let Ledger { oracle, open, answered, retried } = &ledger;
    eprintln!("{cycles} kills in {:.0?}: {kills}", begun.elapsed());
    eprintln!(
        "{answered} writes answered, {} of them in the log, {retried} tried again by the next process, {} still open; \
         {trimmed} entries trimmed; {checks} checks: 0 lost, 0 twice, every folder opened",
        oracle.found(),
        open.len()
    );
    let [_, opening, rolling, writing] = kills.0;
    assert!(opening > 0 && rolling > 0 && writing > 0, "the kills have missed a phase: {kills}");
    assert!(oracle.found() > 0 && *retried > 0 && trimmed > 0, "the children did not do what they should");
}
