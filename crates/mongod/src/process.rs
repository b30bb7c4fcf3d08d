//! [`Process`]: one running server process.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::run_folder::RunFolder;

/// Writes its pid, then becomes the server. The rename fails once the guard has taken the folder
/// away, so that no server starts which the guard does not know.
const START: &str = r#"echo "$$" > "$0/pid.new" && mv "$0/pid.new" "$0/pid" && exec "$@""#;

/// A child that has not been waited for, so that its pid is still its own.
///
/// Blocking, on purpose: a server may outlive the asynchronous runtime that started it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid_file: PathBuf,
}

impl Process {
    /// Starts `program`, with its output appended to the folder's log file.
    pub(crate) fn spawn(program: &Path, args: &[OsString], folder: &RunFolder) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(folder.log_file())?;
        let child = Command::new("sh")
            .args(["-c", START])
            .arg(folder.path())
            .arg(program)
            .args(args)
            // Ctrl-C in a terminal is for us; we decide what it means for the servers.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child, pid_file: folder.pid_file() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has. Then it must be dropped: its pid may soon be another's.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.forget()?;
        }
        Ok(status)
    }

    /// Sends a signal; the caller has not seen it exit.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.forget()
    }

    fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.pid_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
