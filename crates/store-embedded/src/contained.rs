//! [`Contained`]: an engine, with its panics contained.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::OnceLock,
};

use oplogsync_core::store_error::Fault;

use crate::{
    engine::{Engine, Failure},
    trouble::{Earlier, Trouble},
};

/// An opened engine. Damaged files can make it panic as well as return an error (sled does both as often):
/// no call into it is made outside [`Contained::contain`].
#[derive(Debug)]
pub(crate) struct Contained<E> {
    engine: Option<E>,
    /// The failure after which it is not to be trusted.
    poisoned: OnceLock<Earlier>,
}

/// The engine panicked: its files are damaged, or it is at fault.
#[derive(Debug, thiserror::Error)]
#[error("the engine panicked: {0}")]
pub(crate) struct Panicked(String);

impl<E: Engine> Contained<E> {
    /// Opens the engine; none while somebody else has it open.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Trouble> {
        let engine = unwound(|| match E::open(folder) {
            Err(Failure::InUse) => Ok(None),
            result => result.map(Some).map_err(Trouble::reading),
        })?;
        Ok(engine.map(|engine| Self { engine: Some(engine), poisoned: OnceLock::new() }))
    }

    /// Runs `work` on the engine. What it cannot recover from poisons it: all later calls fail.
    pub(crate) fn contain<T>(&self, work: impl FnOnce(&E) -> Result<T, Trouble>) -> Result<T, Trouble> {
        if let Some(earlier) = self.poisoned.get() {
            return Err(earlier.again());
        }
        let Some(engine) = &self.engine else { return Err(Trouble::new(Fault::Poisoned)) };
        let result = unwound(|| work(engine));
        if let Err(trouble) = &result
            && trouble.poisons()
        {
            // Of several at once the first is remembered.
            let _ = self.poisoned.set(trouble.as_earlier());
        }
        result
    }
}

impl<E> Drop for Contained<E> {
    fn drop(&mut self) {
        // An engine may flush as it is dropped, which can panic as well.
        let engine = self.engine.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(engine))));
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
