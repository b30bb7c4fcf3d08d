//! [`Case`]: one damage, and what comes of it.

use std::{
    fmt,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use oplogsync_core::{
    checkpoint::Stop,
    documents::Documents,
    position::Position,
    primary::{Primary, PrimaryOptions, WriteError},
    store_error::Fault,
    testing::{manual_host::ManualHost, random::Random},
};

use super::intact::Intact;
use crate::{
    engine::{self, Options, Store},
    suite::{
        copy::copy,
        oracle::contents,
        pair::Failure,
        writes::{op_id, write},
    },
};

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Damage {
    FlippedBit,
    ZeroedSector,
    Truncation,
}

/// One damage.
pub(super) struct Case {
    intact: &'static str,
    /// Its kind.
    pub(super) file: &'static str,
    pub(super) damage: Damage,
    /// Where in the file.
    at: u64,
    /// Whether it happens under an open store, or to a closed one.
    open: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { intact, file, damage, at, open } = self;
        let store = if *open { "an open" } else { "a closed" };
        write!(f, "{damage:?} at {at} of a {file} under {store} store with {intact}")
    }
}

/// What came of a damage: at which call it was found first, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Everything is there.
    Whole,
    /// The folder does not open.
    Refused,
    /// A read fails.
    FailedRead,
    /// A write fails.
    FailedWrite,
    /// The folder does not open again after it was written to.
    RefusedLater,
}

impl Damage {
    pub(super) const ALL: [Self; 3] = [Self::FlippedBit, Self::ZeroedSector, Self::Truncation];

    /// Damages `file` at byte `at`. A sector may lie behind its end.
    fn to(self, file: &Path, at: u64, random: &mut Random) {
        let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
        match self {
            Self::FlippedBit => {
                let mut byte = [0];
                // An empty file gets a byte.
                let _ = file.read_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ (1 << random.below(8))], at).unwrap();
            }
            Self::ZeroedSector => file.write_all_at(&[0; 512], at).unwrap(),
            Self::Truncation => file.set_len(at).unwrap(),
        }
    }
}

/// All files under a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if item.file_type().unwrap().is_dir() { files(&item.path(), found) } else { found.push(item.path()) }
    }
}

/// A file of the folder: mostly one with data.
fn choose(folder: &Path, random: &mut Random) -> PathBuf {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.sort();
    let (data, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|file| engine::is_data(engine::kind_of(file)));
    let others = if random.below(10) < 6 { data } else { others };
    others[usize::try_from(random.below(others.len() as u64)).unwrap()].clone()
}

/// Somewhere in the file; mostly where there is something in it.
fn place(file: &Path, random: &mut Random) -> u64 {
    let bytes = fs::read(file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let below = if random.below(5) == 0 { bytes.len() } else { used };
    random.below(below as u64)
}

/// Damages a copy of one of the intact folders at `folder`, as the seed says, and uses it.
pub(super) async fn run(seed: u64, intact: &[Intact], folder: &Path) -> (Case, Outcome) {
    let mut random = Random::new(seed);
    // The last one is large, and its turn comes rarely.
    let (last, others) = intact.split_last().unwrap();
    let chosen = others.get(usize::try_from(random.below(24)).unwrap() % (others.len() + 1)).unwrap_or(last);
    copy(&chosen.folder, folder);
    let file = choose(folder, &mut random);
    let (damage, at) = (Damage::ALL[usize::try_from(random.below(3)).unwrap()], place(&file, &mut random));
    let case = Case { intact: chosen.name, file: engine::kind_of(&file), damage, at, open: random.below(4) == 0 };
    let outcome = if case.open {
        let store = Store::open(folder, "a", Options::default()).unwrap();
        // The engine may have replaced its snapshot by another.
        if file.exists() {
            damage.to(&file, at, &mut random);
        }
        use_store(store, chosen, folder).await
    } else {
        damage.to(&file, at, &mut random);
        match Store::open(folder, "a", Options::default()) {
            Ok(store) => use_store(store, chosen, folder).await,
            Err(error) => {
                assert_eq!(error.node(), "a");
                assert_typed(error.fault());
                Outcome::Refused
            }
        }
    };
    fs::remove_dir_all(folder).unwrap();
    (case, outcome)
}

/// What damage may be called.
fn assert_typed(fault: &Fault) {
    assert!(matches!(fault, Fault::Corrupt | Fault::Incompatible | Fault::Poisoned), "{fault:?}");
}

/// Reads everything, writes, closes, and opens again.
async fn use_store(store: Store, intact: &Intact, folder: &Path) -> Outcome {
    if let Some(error) = intact.check(&store).await {
        assert_typed(error.fault());
        return Outcome::FailedRead;
    }
    if let Err(failure) = write_on(&store, intact).await {
        assert_typed(failure.fault());
        return Outcome::FailedWrite;
    }
    let written = contents(&store).await;
    drop(store);
    match Store::open(folder, "a", Options::default()) {
        Ok(store) => {
            assert_eq!(contents(&store).await, written, "what was written after the damage");
            Outcome::Whole
        }
        Err(error) => {
            assert_typed(error.fault());
            Outcome::RefusedLater
        }
    }
}

async fn write_on(store: &Store, intact: &Intact) -> Result<(), Failure> {
    if !intact.is_primary() {
        let stop = Stop { at: Position::default(), too_stale: false, reason: "a word".to_owned() };
        return Ok(store.set_stop(&stop).await?);
    }
    let primary = Primary::open(store.clone(), ManualHost::hurried(5), PrimaryOptions::default()).await?;
    for number in 1_000_000..1_000_003 {
        match primary.write_once(op_id(number), write(number)).await {
            Ok(_) | Err(WriteError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
