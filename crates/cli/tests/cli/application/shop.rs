//! [`Shop`]: the application, `shop.py`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

const PYMONGO: &str = "pymongo==4.20.1";

/// The application while it runs; killed when dropped.
pub(super) struct Shop {
    child: Child,
    stdout: BufReader<ChildStdout>,
    done: u64,
}

impl Shop {
    /// Starts it on a replica set. `OPLOGSYNC_APP_SEED` chooses another run.
    pub(super) fn open(uri: &str, operations: u64) -> Self {
        let seed = std::env::var("OPLOGSYNC_APP_SEED").unwrap_or_else(|_| "1".to_owned());
        let mut child = python(&["work", uri, &seed, &operations.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, done: 0 }
    }

    /// Waits until it has done so many operations; it goes on meanwhile.
    pub(super) fn wait_for(&mut self, operations: u64) {
        while self.done < operations {
            assert!(self.read(), "the application ended after {} operations", self.done);
        }
    }

    /// Waits for its end; how many operations it has done.
    pub(super) fn end(mut self) -> u64 {
        while self.read() {}
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the application failed: {status}");
        self.done
    }

    /// Reads how far it is; whether it goes on.
    fn read(&mut self) -> bool {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).unwrap() == 0 {
            return false;
        }
        self.done = line.trim().parse().unwrap();
        true
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Compares two deployments with the eyes of another driver; how many documents they have.
pub(super) fn compare(one: &str, other: &str) -> u64 {
    let output = python(&["compare", one, other]).output().unwrap();
    assert!(output.status.success(), "{other}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn python(args: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/application/shop.py");
    let mut command = Command::new("python3");
    command.arg("-B").arg(script).args(args).env("PYTHONPATH", driver()).stdin(Stdio::null());
    command
}

/// The folder with the driver, fetched once.
fn driver() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PYMONGO);
    if folder.is_dir() {
        return folder;
    }
    let part = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let to = part.path().join("packages");
    let flags = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
    let output = Command::new("python3").args(flags).arg("--target").arg(&to).arg(PYMONGO).output().unwrap();
    assert!(output.status.success(), "cannot fetch {PYMONGO}: {}", String::from_utf8_lossy(&output.stderr));
    // Another test may have been faster.
    if let Err(error) = fs::rename(&to, &folder) {
        assert!(folder.is_dir(), "{error}");
    }
    folder
}
