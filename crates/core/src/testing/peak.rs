//! The most memory that a process has had, for tests with a limit.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

/// What stands before the number.
const PREFIX: &str = "peak MiB: ";

/// Tells the peak of this process's resident memory to the one that called it by [`of_test`].
///
/// # Panics
/// When the system does not tell it.
#[expect(clippy::expect_used, reason = "a test that cannot measure must fail")]
pub fn tell() {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it tells the peak");
    let kib: usize = line.trim().strip_suffix(" kB").and_then(|text| text.parse().ok()).expect("it is a number");
    // On a line of its own: the harness has begun one.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{PREFIX}{}\n", kib / 1024).as_bytes()).expect("somebody reads it");
}

/// Runs a test of this program in a process of its own, for others need memory too, with a variable set; returns
/// what that process [tells](tell), in MiB.
///
/// # Panics
/// When the test fails, or tells nothing.
#[expect(clippy::expect_used, reason = "a test that cannot measure must fail")]
pub fn of_test(test: &str, variable: &str, value: impl AsRef<OsStr>) -> usize {
    let mut command = Command::new(env::current_exe().expect("this program has a name"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(variable, value);
    let output = command.stdin(Stdio::null()).output().expect("it starts again");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    let told = out.lines().find_map(|line| line.strip_prefix(PREFIX));
    told.and_then(|number| number.parse().ok()).expect("the test tells its peak")
}
