//! Running the program in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long something outside of this process may take, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A folder to run in; nothing of the caller's environment configures the program.
pub(crate) struct Folder(TempDir);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// A run that goes on; killed when dropped.
pub(crate) struct Running {
    child: Child,
    started: Instant,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a configuration.
    pub(crate) fn with(config: &str) -> Self {
        let folder = Self::new();
        folder.write("oplogsync.toml", config);
        folder
    }

    /// A folder with a configuration of embedded nodes: db1 primary, db2 and db3 replicas.
    pub(crate) fn embedded() -> Self {
        Self::with(&embedded_config(&["db2", "db3"], ""))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oplogsync"));
        command.args(args).current_dir(self.path()).env("XDG_CONFIG_HOME", self.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OPLOGSYNC_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        answer(self.command(args).stdin(Stdio::null()))
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        answer(self.command(args).stdin(Stdio::null()).envs(variables.iter().copied()))
    }

    /// A run whose standard input is `input`.
    pub(crate) fn feed(&self, args: &[&str], input: &str) -> Answer {
        let started = Instant::now();
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A program that has seen enough may close its input early.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Answer::new(&output, started)
    }

    /// Starts a run that goes on; its log goes to a file.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let log = fs::File::create(self.path().join("log")).unwrap();
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        Running { child, started: Instant::now() }
    }

    /// What the run that was started last has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap()
    }

    /// Waits until the log of the run that was started last contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "waited in vain for `{text}` in the log: {}", self.log());
            std::thread::sleep(POLL);
        }
    }
}

/// Waits for something outside of this process.
#[cfg(feature = "mongo")]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(POLL);
    }
}

/// A configuration of embedded nodes: db1 is the primary.
pub(crate) fn embedded_config(replicas: &[&str], rest: &str) -> String {
    let mut text = format!("{rest}\n[[nodes]]\nname = \"db1\"\nrole = \"primary\"\nuri = \"sled:data/db1\"\n");
    for name in replicas {
        text.push_str(&format!("[[nodes]]\nname = \"{name}\"\nrole = \"replica\"\nuri = \"sled:data/{name}\"\n"));
    }
    text
}

fn answer(command: &mut Command) -> Answer {
    let started = Instant::now();
    Answer::new(&command.output().unwrap(), started)
}

impl Answer {
    fn new(output: &std::process::Output, started: Instant) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        }
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// The error says all of this.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is missing: {self:#?}");
        }
        self
    }

    /// The result says all of this.
    #[track_caller]
    pub(crate) fn shows(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "`{text}` is missing: {self:#?}");
        }
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Kills it without warning.
    #[cfg(feature = "mongo")]
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[cfg(feature = "mongo")]
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Reads one line of its output, then closes the pipe, as `head -1` does.
    pub(crate) fn read_one_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.take_stdout()).read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn take_stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// Waits for its end; it may take a minute.
    pub(crate) fn wait(mut self) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::sleep(POLL);
        };
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        Answer { code: status.code().unwrap_or(-1), stdout, stderr: String::new(), took: self.started.elapsed() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
