//! [`Binary`]: a mongod that runs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest server that the driver can talk to.
const OLDEST: (u32, u32) = (4, 2);

/// A mongod binary that has been run once, to learn its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    path: PathBuf,
    version: String,
}

impl Binary {
    /// Runs `path --version`; says in one line why it is of no use otherwise.
    pub(crate) fn probe(path: &Path) -> Result<Self, String> {
        let output = Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().next().map_or_else(|| output.status.to_string(), str::to_owned));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or_default();
        let version = first.strip_prefix("db version v").ok_or_else(|| format!("it calls itself {first:?}"))?;
        if series(version).is_none_or(|series| series < OLDEST) {
            let (major, minor) = OLDEST;
            return Err(format!("its version is {version}, older than {major}.{minor}"));
        }
        Ok(Self { path: path.to_owned(), version: version.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, for example `6.0.5`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn series(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_orders_by_number() {
        assert_eq!(series("6.0.5"), Some((6, 0)));
        assert_eq!(series("10.2.0-rc1"), Some((10, 2)));
        assert!(series("3.6.23").unwrap() < OLDEST);
        assert_eq!(series("six"), None);
    }
}
