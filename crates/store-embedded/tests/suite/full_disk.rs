//! A real file system that gets full: writes fail with a word about the space, none is acknowledged any more, and
//! once there is space and the store is opened again, everything acknowledged is there and writing goes on.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use bson::rawdoc;
use oplogsync_core::{
    primary::WriteError,
    store_error::Fault,
    testing::{documents::namespace, manual_host::ManualHost},
    write::Write,
};

use crate::{
    engine::{self, Options},
    suite::{
        oracle::Oracle,
        pair::{Failure, Pair, unwatched},
        tell::{tell, told},
        writes::op_id,
    },
};

/// Set for the child: the folder of its two nodes.
const FOLDER: &str = "OPLOGSYNC_FULL_DISK_FOLDER";
const ON_A_TMPFS: &str = "suite::full_disk::a_full_file_system_is_told_and_survived";
const WITH_A_LIMIT: &str = "suite::full_disk::a_file_that_must_not_grow_is_told_and_survived";
/// What can be removed to make space: the replica, which comes later, needs some too.
const BALLAST_BYTES: usize = 9 * 1024 * 1024 / 2;
/// More than fits in.
const WRITES_MAX: u64 = 3000;

async fn open(folder: &Path) -> Pair {
    Pair::open(folder, Options::default(), &ManualHost::hurried(1), unwatched()).await.unwrap()
}

/// Writes one more document of some pages; returns its index in the log.
async fn write(pair: &Pair, number: u64) -> Result<u64, WriteError> {
    let document = rawdoc! { "_id": i64::try_from(number).unwrap(), "filler": "x".repeat(9000) };
    let insert = Write::Insert { ns: namespace("items"), document };
    let written = pair.primary.write_once(op_id(number), insert).await?;
    Ok(written.entry.expect("an insert has an entry").0.index)
}

/// Writes until it fails, in a process that has little space; tells what is acknowledged.
async fn fill(folder: &Path, ballast_bytes: usize) -> Oracle {
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; ballast_bytes]).unwrap();
    let pair = open(folder).await;
    let mut oracle = Oracle::default();
    let mut next = 1;
    // The test harness has left the cursor in the middle of a line.
    tell(format_args!(""));
    let failure = loop {
        assert!(next < WRITES_MAX, "all of it fits in");
        match write(&pair, next).await {
            Ok(index) => {
                tell(format_args!("acknowledged {next} {index}"));
                oracle.acknowledge(op_id(next), index);
            }
            Err(error) => break Failure::from(error),
        }
        next += 1;
    };
    tell(format_args!("full: {failure:?}"));
    if let Failure::Write(WriteError::NotApplied { at, .. }) = &failure {
        tell(format_args!("acknowledged {next} {}", at.index));
        oracle.acknowledge(op_id(next), at.index);
    }
    // The first to meet it tells of the space; a primary that asks once more tells what it was.
    assert!(matches!(failure.fault(), Fault::Full | Fault::Poisoned), "{failure:?}");
    assert!(told(&failure).contains("no space is left"), "{failure:?}");
    for again in 1..5 {
        let error = Failure::from(write(&pair, next + again).await.unwrap_err());
        assert_eq!(*error.fault(), Fault::Poisoned, "try {again}");
        if again == 2 {
            // There is space again, but what the kernel has dropped is not known.
            fs::remove_file(&ballast).unwrap();
        }
    }
    oracle
}

/// With space again, everything is there that was acknowledged, and both nodes go on.
async fn resume(folder: &Path, mut oracle: Oracle) -> String {
    let mut pair = open(folder).await;
    oracle.check(&pair.source, &pair.target).await;
    for number in WRITES_MAX..WRITES_MAX + 10 {
        let index = write(&pair, number).await.unwrap();
        oracle.acknowledge(op_id(number), index);
    }
    pair.replicate().await.unwrap();
    let found = oracle.check(&pair.source, &pair.target).await;
    assert_eq!((found.primary, found.replica), (found.head, found.head), "both are at the head");
    assert!(oracle.found() > 20, "only {} acknowledged writes are proof of little", oracle.found());
    format!("resumed, with {} acknowledged writes in {} entries", oracle.found(), found.head)
}

/// This test again, in a process of its own that a shell script starts: `$0` is the test's binary.
fn in_a_child(test: &str, shell: &[&str], script: &str, folder: &Path) -> Output {
    let (program, arguments) = shell.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).arg(script).arg(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).output().expect("a shell")
}

fn output_of(child: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{}\n{out}\n{err}", child.status);
    out.into_owned()
}

#[tokio::test]
async fn a_full_file_system_is_told_and_survived() {
    if let Some(folder) = env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        let oracle = fill(folder, BALLAST_BYTES).await;
        return tell(format_args!("{}", resume(folder, oracle).await));
    }
    let folder = tempfile::tempdir().unwrap();
    let namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let mount = format!("mount -t tmpfs -o size=8m oplogsync \"${FOLDER}\"");
    let may_mount = Command::new(namespace[0]).args(&namespace[1..]).arg(&mount).env(FOLDER, folder.path()).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        // The other test of this file needs no permission.
        // Not through `eprintln!`, which the harness keeps to itself when a test passes.
        let told = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: this machine does not permit to mount a tmpfs in a namespace of its own\n",
        );
        told.unwrap();
        return;
    }
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let out = output_of(&in_a_child(ON_A_TMPFS, &namespace, &script, folder.path()));
    let line = out.lines().find(|line| line.starts_with("resumed")).expect("it has come to its end");
    eprintln!("a tmpfs of 8 MiB: {line}");
}

#[tokio::test]
async fn a_file_that_must_not_grow_is_told_and_survived() {
    if let Some(folder) = env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        if !engine::TAKES_SPACE_AHEAD {
            drop(fill(folder, 0).await);
            return;
        }
        let error = Pair::open(folder, Options::default(), &ManualHost::hurried(1), unwatched()).await.err().unwrap();
        assert_eq!(*error.fault(), Fault::Full, "{error:?}");
        return tell(format_args!("full: {}", told(&error)));
    }
    let folder = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes or of 1024, as the shell has it; without the signal the write fails (EFBIG).
    let script = "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\"";
    let out = output_of(&in_a_child(WITH_A_LIMIT, &["sh", "-c"], script, folder.path()));
    let mut oracle = Oracle::default();
    for line in out.lines() {
        if let ["acknowledged", number, index] = *line.split(' ').collect::<Vec<_>>() {
            oracle.acknowledge(op_id(number.parse().unwrap()), index.parse().unwrap());
        }
    }
    assert!(out.contains("full:"), "{out}");
    if engine::TAKES_SPACE_AHEAD {
        // It has not even begun, and does where it may.
        assert!(out.contains("no space is left"), "{out}");
        let pair = open(folder.path()).await;
        write(&pair, 1).await.unwrap();
        return;
    }
    eprintln!("files of at most some MiB: {}", resume(folder.path(), oracle).await);
}
