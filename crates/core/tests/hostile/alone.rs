//! Running a test in a process of its own, so that an abort is seen and memory can be measured.

use std::{env, process::Command, thread};

/// Set in the process that runs the body.
const INSIDE: &str = "OPLOGSYNC_HOSTILE_INSIDE";
/// The stack of a tokio worker thread.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Runs `body` on a small stack in a process of its own; `test` is the full name of the calling test.
pub(crate) fn alone(test: &str, body: fn()) {
    if env::var_os(INSIDE).is_some() {
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(body).unwrap();
        assert!(thread.join().is_ok(), "a case failed");
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    // What is freed goes back at once, so that it cannot hide what the next case takes.
    command.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_TRIM_THRESHOLD_", "65536").env("MALLOC_ARENA_MAX", "1");
    let output = command.output().unwrap();
    let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("1 passed") || !output.status.success(), "there is no test {test}");
    assert!(output.status.success(), "{}\n{out}\n{told}", output.status);
    // The figures, for `--nocapture`.
    eprint!("{told}");
}
