//! The named corpus of the fuzz targets: `fuzz/corpus/<target>/<name>`.
//!
//! The files are what the `seeds` of a [`Target`] say, so that they can be read as code, and are
//! committed for the fuzzer. After a change of the seeds write them anew with
//! `OPLOGSYNC_WRITE_CORPUS=1 cargo test --workspace --lib fuzzing`. Other files in a folder, which a
//! fuzzer found, are kept and run as well.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its file in `fuzz/fuzz_targets` and of its corpus.
    pub name: &'static str,
    /// What it runs.
    pub body: fn(&[u8]),
    /// The named inputs that it starts from.
    pub seeds: fn() -> Vec<Seed>,
}

/// A named input.
pub type Seed = (String, Vec<u8>);

/// A seed from its name and bytes.
pub fn seed(name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    (name.to_owned(), bytes.into())
}

/// Longer seeds are changed at this many places only.
const PLACES_MAX: usize = 1024;

/// Runs each target over its corpus: every file, and what cuts and single changed bytes make of it.
///
/// `krate` is the name of the calling crate, as the files of its targets write it. How many
/// inputs were run is returned.
///
/// # Panics
/// When a body does, when a file is not what its seed says, or when a target of the crate is not
/// among `targets`.
pub fn run(krate: &str, targets: &[Target]) -> usize {
    let named: BTreeSet<_> = targets.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(named, targets_of(krate), "the targets of {krate} that have a file in fuzz/fuzz_targets");
    targets.iter().map(run_target).sum()
}

fn run_target(target: &Target) -> usize {
    let folder = folder().join("corpus").join(target.name);
    if std::env::var_os("OPLOGSYNC_WRITE_CORPUS").is_some() {
        write(target, &folder);
    }
    for (name, bytes) in (target.seeds)() {
        let stored = fs::read(folder.join(&name)).unwrap_or_default();
        assert!(stored == bytes, "{}/{name} is not what its seed says: write it anew, see corpus.rs", target.name);
    }
    let files = names(&folder);
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    let read = |name: &String| fs::read(folder.join(name)).unwrap_or_default();
    files.iter().map(|name| run_around(target.body, &read(name))).sum()
}

/// Runs a body over a seed, its cuts, and each of its bytes changed in four ways.
fn run_around(body: fn(&[u8]), seed: &[u8]) -> usize {
    body(seed);
    let mut runs = 1;
    let mut changed = seed.to_vec();
    for at in (0..seed.len()).step_by(seed.len().div_ceil(PLACES_MAX).max(1)) {
        let (cut, _) = seed.split_at(at);
        body(cut);
        for flip in [0x01, 0x10, 0x80, 0xFF] {
            flip_byte(&mut changed, at, flip);
            body(&changed);
            flip_byte(&mut changed, at, flip);
        }
        runs += 5;
    }
    runs
}

fn flip_byte(bytes: &mut [u8], at: usize, flip: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= flip;
    }
}

#[expect(clippy::expect_used, reason = "a corpus that cannot be written must fail")]
fn write(target: &Target, folder: &Path) {
    fs::create_dir_all(folder).expect("the folder of the corpus can be made");
    for (name, bytes) in (target.seeds)() {
        fs::write(folder.join(name), bytes).expect("a file of the corpus can be written");
    }
}

/// Checks that targets, their entries in `fuzz/Cargo.toml` and the folders of the corpus are the
/// same set.
///
/// # Panics
/// When they are not.
pub fn assert_complete() {
    let targets = targets_of("");
    assert!(!targets.is_empty(), "there are fuzz targets");
    assert_eq!(targets, names(&folder().join("corpus")), "targets, and folders of the corpus");
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap_or_default();
    let entry = |line: &str| Some(line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\"")?.to_owned());
    let built: BTreeSet<_> = manifest.lines().filter_map(entry).collect();
    assert_eq!(targets, built, "targets, and entries in fuzz/Cargo.toml");
}

/// The targets whose files name this crate.
fn targets_of(krate: &str) -> BTreeSet<String> {
    let folder = folder().join("fuzz_targets");
    let calls = |name: &String| {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        krate.is_empty() || text.contains(&format!("| {krate}::"))
    };
    let files = names(&folder).into_iter().filter(calls);
    files.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// The folder `fuzz` of this project.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}
