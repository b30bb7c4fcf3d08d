//! The store owes what every store owes.

use oplogsync_core::testing::suite::{self, StoreBuilder};
use tempfile::TempDir;

use crate::engine::{Options, Store};

const NODE: &str = "replica-1";

struct InFolder;

impl StoreBuilder for InFolder {
    type Store = Store;
    type Guard = TempDir;

    async fn build(&self) -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), NODE, Options::default()).unwrap();
        (folder, store)
    }

    async fn reopen(&self, folder: &TempDir, store: Store) -> Option<Store> {
        drop(store);
        Some(Store::open(folder.path(), NODE, Options::default()).unwrap())
    }

    fn node(&self) -> &'static str {
        NODE
    }

    fn atomic(&self) -> bool {
        true
    }

    fn other_database(&self) -> Option<&str> {
        Some("warehouse")
    }

    fn tells(&self) -> bool {
        true
    }
}

struct InMemory;

impl StoreBuilder for InMemory {
    type Store = Store;
    type Guard = ();

    async fn build(&self) -> ((), Store) {
        ((), Store::memory(NODE).unwrap())
    }

    async fn reopen(&self, (): &(), _: Store) -> Option<Store> {
        None
    }

    fn node(&self) -> &'static str {
        NODE
    }

    fn atomic(&self) -> bool {
        true
    }

    fn other_database(&self) -> Option<&str> {
        Some("warehouse")
    }

    fn tells(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_folder_keeps_the_contracts() {
    suite::run(&InFolder).await;
    suite::run_spool(&InFolder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_memory_keeps_the_contracts() {
    suite::run(&InMemory).await;
    suite::run_spool(&InMemory).await;
}
