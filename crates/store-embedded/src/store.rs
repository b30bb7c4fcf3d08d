//! [`EmbeddedStore`]: the handle to an embedded store.

use std::{path::Path, sync::Arc};

use oplogsync_core::store_error::{Fault, StoreError};

use crate::{
    durability::Options,
    engine::Engine,
    keyspace::Keyspace,
    step::{Steps, Watch},
};

/// An embedded store. A cheap handle: its clones are one store, which closes with the last of them
/// (and waits then for the disk).
///
/// Its work runs on the threads of the runtime that may block, one call at a time each.
#[derive(Debug)]
pub struct EmbeddedStore<E> {
    keyspace: Arc<Keyspace<E>>,
}

impl<E: Engine> EmbeddedStore<E> {
    /// Opens the store in the folder `path` for the node `node`, and creates both if there is none.
    /// It blocks while it recovers what an earlier process has left and reads the whole store once:
    /// what the engine has silently lost shows only in records that no longer fit each other.
    ///
    /// # Errors
    /// - [`Fault::Busy`]: another process, or another store of this one, uses the folder.
    /// - [`Fault::Incompatible`]: the folder is not one of ours, or of another version.
    /// - [`Fault::Corrupt`]: its files are damaged.
    /// - [`Fault::Denied`], [`Fault::Full`], [`Fault::Unavailable`]: the file system refuses.
    pub fn open(path: impl AsRef<Path>, node: &str, options: Options) -> Result<Self, StoreError> {
        Ok(Self { keyspace: Arc::new(Keyspace::open(path.as_ref(), node, options, Steps::unwatched())?) })
    }

    /// [`EmbeddedStore::open`] with somebody who watches its steps, and may fail them: for tests.
    ///
    /// # Errors
    /// As there.
    #[doc(hidden)]
    pub fn open_watched(
        path: impl AsRef<Path>,
        node: &str,
        options: Options,
        watch: Watch,
    ) -> Result<Self, StoreError> {
        Ok(Self { keyspace: Arc::new(Keyspace::open(path.as_ref(), node, options, Steps::new(watch))?) })
    }

    /// A store that is gone with its last handle: the same code on temporary files, without durability.
    ///
    /// # Errors
    /// When the temporary files cannot be made.
    pub fn memory(node: &str) -> Result<Self, StoreError> {
        Ok(Self { keyspace: Arc::new(Keyspace::memory(node)?) })
    }

    /// The blocking functions under the traits: for benchmarks and fuzzers.
    #[doc(hidden)]
    pub fn keyspace(&self) -> &Keyspace<E> {
        &self.keyspace
    }

    /// Runs `work` where it may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keyspace<E>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let keyspace = Arc::clone(&self.keyspace);
        let joined = tokio::task::spawn_blocking(move || work(&keyspace)).await;
        joined.unwrap_or_else(|cut_off| {
            Err(StoreError::new(self.keyspace.node(), "finish a call", Fault::Unknown).because(cut_off))
        })
    }
}

// Derived, it would ask for an engine that can be cloned.
impl<E> Clone for EmbeddedStore<E> {
    fn clone(&self) -> Self {
        Self { keyspace: Arc::clone(&self.keyspace) }
    }
}
