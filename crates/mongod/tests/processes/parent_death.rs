use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oplogsync_mongod::{Options, ReplicaSet, Server, testing};
use rustix::process::{Pid, Signal, kill_process_group};

/// Set in the process that is to be killed, to a folder for data that is kept.
const VICTIM: &str = "OPLOGSYNC_MONGOD_TEST_VICTIM";

#[tokio::test]
async fn nothing_is_left_behind_when_the_parent_is_killed() {
    let Some(binary) = testing::binary().await else { return };
    if let Some(kept) = env::var_os(VICTIM) {
        // It would go on for long without its guard; the others notice that their data is gone.
        let _kept = Server::start(&binary, Options::default().folder(kept)).await.unwrap();
        let mut paused = Server::start(&binary, Options::default()).await.unwrap();
        paused.pause().unwrap();
        let mut stopped = Server::start(&binary, Options::default()).await.unwrap();
        stopped.stop().await.unwrap();
        let _set = ReplicaSet::start(&binary, "rs", 1, Options::default()).await.unwrap();
        say_ready();
        return std::future::pending().await;
    }
    let (temp, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut victim = victim("nothing_is_left_behind_when_the_parent_is_killed", temp.path(), kept.path());
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"), "the victim ended");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 4);
    // Four guards, and the servers that are neither stopped nor elsewhere.
    assert_eq!(processes_of(temp.path()).len(), 6);
    assert_eq!(processes_of(kept.path()).len(), 1);

    kill(victim);

    wait_until_clean(temp.path(), kept.path());
    assert!(kept.path().join("WiredTiger").exists());
}

#[tokio::test]
async fn nothing_is_left_behind_when_the_parent_is_killed_while_a_server_starts() {
    let Some(binary) = testing::binary().await else { return };
    if env::var_os(VICTIM).is_some() {
        say_ready();
        let _server = Server::start(&binary, Options::default()).await.unwrap();
        return std::future::pending().await;
    }
    for delay_ms in [0, 1, 2, 3, 5, 8, 13, 21, 50, 200] {
        let temp = tempfile::tempdir().unwrap();
        let mut victim =
            victim("nothing_is_left_behind_when_the_parent_is_killed_while_a_server_starts", temp.path(), temp.path());
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "the victim ended");
        // Not waiting for anything: each delay hits another step of the start.
        thread::sleep(Duration::from_millis(delay_ms));

        kill(victim);

        wait_until_clean(temp.path(), temp.path());
    }
}

/// Tells the parent, on a line of its own whatever the test harness has written.
fn say_ready() {
    io::stdout().write_all(b"\nready\n").unwrap();
}

/// This test program again, running one test of this module, with its own temporary folder and
/// its own process group.
fn victim(test: &str, temp: &Path, kept: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("parent_death::{test}"), "--nocapture"])
        .env(VICTIM, kept)
        .env("TMPDIR", temp)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the whole process group, as a terminal or a job runner does.
fn kill(mut victim: Child) {
    kill_process_group(Pid::from_child(&victim), Signal::KILL).unwrap();
    victim.wait().unwrap();
}

fn wait_until_clean(temp: &Path, kept: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let files: Vec<_> = fs::read_dir(temp).unwrap().map(|entry| entry.unwrap().path()).collect();
        let processes = [processes_of(temp), processes_of(kept)].concat();
        if files.is_empty() && processes.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {files:?} {processes:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The command lines that name `folder`: of the servers in it, and of their guards.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        // Other processes come and go.
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    processes.filter(|line| line.contains(name)).collect()
}
