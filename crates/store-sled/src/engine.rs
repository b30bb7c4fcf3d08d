//! [`Engine`]: sled, with its panics contained.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use oplogsync_core::store_error::Fault;

use crate::trouble::{Earlier, Trouble};

/// The opened database. Damaged files make sled panic as often as they make it return an error:
/// no call into it is made outside [`Engine::contain`].
#[derive(Debug)]
pub(crate) struct Engine {
    db: Option<sled::Db>,
    /// The failure after which it is not to be trusted.
    poisoned: OnceLock<Earlier>,
}

/// The engine panicked: its files are damaged, or it is at fault.
#[derive(Debug, thiserror::Error)]
#[error("the engine panicked: {0}")]
pub(crate) struct Panicked(String);

impl Engine {
    /// Opens the database.
    pub(crate) fn open(config: &sled::Config) -> Result<Self, Trouble> {
        let db = unwound(|| config.open().map_err(Trouble::reading))?;
        Ok(Self { db: Some(db), poisoned: OnceLock::new() })
    }

    /// Runs `work` on the tree. What it cannot recover from poisons the engine: all later calls fail.
    pub(crate) fn contain<T>(&self, work: impl FnOnce(&sled::Tree) -> Result<T, Trouble>) -> Result<T, Trouble> {
        if let Some(earlier) = self.poisoned.get() {
            return Err(earlier.again());
        }
        let Some(db) = &self.db else { return Err(Trouble::new(Fault::Poisoned)) };
        let result = unwound(|| work(db));
        if let Err(trouble) = &result
            && trouble.poisons()
        {
            // Of several at once the first is remembered.
            let _ = self.poisoned.set(trouble.as_earlier());
        }
        result
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The database flushes as it is dropped, which can panic as well.
        let db = self.db.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
    }
}

fn unwound<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Trouble::new(Fault::Corrupt).because(Panicked(message(panic.as_ref()))).poisoning())
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message").to_owned()
}
