//! [`Context`]: what all rows share.

use std::{
    cell::{Cell, OnceCell},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use oplogsync_benches::Kind;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::servers::Servers;

/// What all rows share.
pub(crate) struct Context {
    /// Runs what is not ours to run on a thread of its own.
    pub(crate) runtime: Runtime,
    /// Smaller sizes.
    pub(crate) quick: bool,
    /// The long runs, too.
    pub(crate) full: bool,
    servers: OnceCell<Result<Servers, String>>,
    numbers: Cell<u32>,
}

impl Context {
    pub(crate) fn new(quick: bool, full: bool) -> Result<Self> {
        let runtime = Runtime::new().context("cannot start the runtime")?;
        Ok(Self { runtime, quick, full, servers: OnceCell::new(), numbers: Cell::new(0) })
    }

    /// How many operations a run has.
    pub(crate) fn size(&self, quick: usize, normal: usize) -> usize {
        if self.quick { quick } else { normal }
    }

    /// A name for a database that no run has had.
    pub(crate) fn database(&self, side: &str, kind: Kind) -> String {
        self.numbers.set(self.numbers.get() + 1);
        format!("{side}_{}_{}", kind.as_str(), self.numbers.get())
    }

    /// The servers that the rows share, started by the first that asks; else why there are none.
    pub(crate) fn servers(&self) -> Result<&Servers, String> {
        let start = || self.runtime.block_on(Servers::start()).map_err(|error| format!("{error:#}"));
        self.servers.get_or_init(start).as_ref().map_err(Clone::clone)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Servers end on the runtime that they were started on.
        let _inside = self.runtime.enter();
        drop(self.servers.take());
    }
}

/// A folder for one run, gone with the value.
pub(crate) fn temporary_folder() -> Result<TempDir> {
    tempfile::tempdir().context("cannot make a temporary folder")
}

/// Where the program keeps what it has installed.
pub(crate) fn tools() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let target = program.parent().and_then(|release| release.parent()).context("this program is in no folder")?;
    Ok(target.join("compare"))
}
