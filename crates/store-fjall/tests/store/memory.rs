//! A backlog is applied, and opened again, in little memory, however large it is.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use bson::rawdoc;
use oplogsync_core::{
    documents::Documents,
    testing::{chain::Chain, documents::namespace},
};

use crate::{
    engine::{Options, Store},
    suite::{
        history::{lease, log},
        tell::tell,
    },
};

/// Set for the child: the folder of its store.
const FOLDER: &str = "OPLOGSYNC_BACKLOG_FOLDER";
/// How large the backlog is. The long run has 1024 MiB.
const MIB: &str = "OPLOGSYNC_BACKLOG_MIB";
const MIB_DEFAULT: usize = 512;
const TEST: &str = "memory::a_backlog_is_applied_in_little_memory";
/// What the whole process may have at its peak, the batch itself included.
const PEAK_MIB_MAX: usize = 256;
const DOCUMENT_BYTES: usize = 4096;
/// Batches of 4 MiB.
const DOCUMENTS: usize = 1024;

fn mib() -> usize {
    env::var(MIB).map_or(MIB_DEFAULT, |text| text.parse().unwrap())
}

/// The peak of this process's resident memory.
fn peak_mib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() / 1024
}

/// Applies the backlog, or finds it there.
async fn work(folder: &Path) {
    let batches = mib() * 1024 * 1024 / (DOCUMENT_BYTES * DOCUMENTS);
    let (mut chain, ns) = (Chain::new(log()), namespace("items"));
    let begun = Instant::now();
    let store = Store::open(folder, "a", Options::default()).unwrap();
    if store.checkpoint().await.unwrap().is_some() {
        assert_eq!(store.digest(&ns).await.unwrap().count, (batches * DOCUMENTS) as u64);
        return tell(format_args!("\nopened again in {:.1?}\npeak {}", begun.elapsed(), peak_mib()));
    }
    let owner = lease(&store).await;
    for batch in 0..batches {
        for number in 0..DOCUMENTS {
            // Spread over the whole collection, so that tables overlap and are merged.
            let id = i32::try_from((number * 7919 % DOCUMENTS) * batches + batch).unwrap();
            let filler = format!("{id:>DOCUMENT_BYTES$}");
            chain.insert(&ns, rawdoc! { "_id": id, "filler": filler });
        }
        store.apply(&chain.take_batch(), owner).await.unwrap();
    }
    tell(format_args!("\n{} MiB in {:.1?}\npeak {}", mib(), begun.elapsed(), peak_mib()));
}

#[tokio::test]
async fn a_backlog_is_applied_in_little_memory() {
    if let Some(folder) = env::var_os(FOLDER) {
        return Box::pin(work(Path::new(&folder))).await;
    }
    let folder = tempfile::tempdir().unwrap();
    for _ in ["apply", "open again"] {
        let peak = peak_of(folder.path());
        assert!(peak < PEAK_MIB_MAX, "{peak} MiB of memory");
    }
}

/// What a process of its own comes to, which works in the folder: other tests need memory too.
fn peak_of(folder: &Path) -> usize {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{out}");
    out.lines().find_map(|line| line.strip_prefix("peak ")).unwrap().parse().unwrap()
}
