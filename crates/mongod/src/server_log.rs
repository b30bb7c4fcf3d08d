//! [`ServerLog`]: what a server has written.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

/// How many lines of a log stand in an error.
const LINES: usize = 5;

/// The log file of a server, to which each of its starts appends.
#[derive(Debug)]
pub(crate) struct ServerLog {
    path: PathBuf,
    /// Where the log of the last start begins.
    start: u64,
}

impl ServerLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, start: 0 }
    }

    /// Marks a new start of the server.
    pub(crate) fn mark(&mut self) -> io::Result<()> {
        self.start = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            metadata => metadata?.len(),
        };
        Ok(())
    }

    /// Whether the server listens on its port since its last start. The port itself cannot tell:
    /// another process may listen there.
    pub(crate) fn says_listening(&self) -> io::Result<bool> {
        // The first letter is a small one up to 4.2.
        Ok(self.read(self.start)?.contains("aiting for connections"))
    }

    /// All of it.
    pub(crate) fn text(&self) -> io::Result<String> {
        self.read(0)
    }

    /// The errors since the last start, else the last lines.
    pub(crate) fn last_words(&self) -> String {
        match self.read(self.start) {
            Ok(log) => last_words(&log),
            Err(error) => format!("(the log cannot be read: {error})"),
        }
    }

    fn read(&self, start: u64) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn last_words(log: &str) -> String {
    let is_error = |line: &&str| line.contains(r#""s":"E""#) || line.contains(r#""s":"F""#);
    let mut lines: Vec<&str> = log.lines().filter(is_error).take(LINES).collect();
    if lines.is_empty() {
        lines = log.lines().rev().take(LINES).collect();
        lines.reverse();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_errors_if_there_are_any() {
        let log = "{\"s\":\"I\",\"id\":1}\n{\"s\":\"E\",\"id\":2}\n{\"s\":\"I\",\"id\":3}\n";
        assert_eq!(last_words(log), "{\"s\":\"E\",\"id\":2}");
        assert_eq!(last_words("1\n2\n3\n4\n5\n6\n7\n"), "3\n4\n5\n6\n7");
        assert_eq!(last_words(""), "");
    }
}
