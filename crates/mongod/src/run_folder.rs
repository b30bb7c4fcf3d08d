//! [`RunFolder`]: the temporary folder of one server, and the guard that ends both.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::{ffi::OsStringExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A temporary folder with a guard: a small shell process that waits on a pipe held by us. When
/// the pipe closes, because the folder is dropped or because our process was killed in whatever
/// way, the guard kills the server whose pid stands in the folder, and removes the folder.
///
/// Preferred to `PR_SET_PDEATHSIG`, which needs unsafe code, exists on Linux only, fires when a
/// *thread* ends, and removes no folder. The guard has its own process group, so Ctrl-C in a
/// terminal does not reach it.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    guard: Child,
    // Closing it is the signal to the guard.
    pipe: Option<ChildStdin>,
}

impl RunFolder {
    /// Makes a folder under the system's temporary folder.
    pub(crate) fn create() -> io::Result<Self> {
        Self::create_in(&std::env::temp_dir())
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        let mut guard = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "oplogsync-mongod-guard"])
            .arg(parent)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipe = guard.stdin.take();
        let mut line = Vec::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_until(b'\n', &mut line)?;
        }
        if line.pop() == Some(b'\n') {
            return Ok(Self { path: OsString::from_vec(line).into(), guard, pipe });
        }
        drop(pipe);
        let mut said = String::new();
        if let Some(mut stderr) = guard.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        guard.wait()?;
        Err(io::Error::other(said.trim().to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a server started in this folder writes its pid, and the guard looks for it.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// Where a server started in this folder writes its log.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path.join("log")
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let removed = self.guard.wait().is_ok_and(|status| status.success());
        // Somebody killed the guard; what it leaves is ours to remove.
        if !removed
            && let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            eprintln!("oplogsync-mongod: cannot remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_folder_is_removed_with_its_content() {
        let folder = RunFolder::create().unwrap();
        let path = folder.path().to_owned();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/c"), "x").unwrap();
        assert!(path.is_dir());

        drop(folder);

        assert!(!path.exists());
        assert!(!path.with_extension("gone").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_why() {
        let error = RunFolder::create_in(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/oplogsync-mongod."), "{error}");
    }

    #[test]
    fn a_dropped_folder_is_removed_though_its_guard_was_killed() {
        let mut folder = RunFolder::create().unwrap();
        let path = folder.path().to_owned();
        folder.guard.kill().unwrap();
        folder.guard.wait().unwrap();

        drop(folder);

        assert!(!path.exists());
    }
}
