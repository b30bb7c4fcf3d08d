//! The reference store passes the suite that every store passes.

use oplogsync_core::{
    memory::MemoryStore,
    testing::{
        faulty::Faulty,
        suite::{self, StoreBuilder},
    },
};

struct Memory;

impl StoreBuilder for Memory {
    type Store = MemoryStore;
    type Guard = ();

    async fn build(&self) -> ((), MemoryStore) {
        ((), MemoryStore::new(self.node()))
    }

    async fn reopen(&self, (): &(), _store: MemoryStore) -> Option<MemoryStore> {
        None
    }

    fn node(&self) -> &'static str {
        "memory-node"
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

#[tokio::test]
async fn the_reference_store_passes_the_suite() {
    suite::run(&Memory).await;
    suite::run_spool(&Memory).await;
}

struct FaultyMemory;

impl StoreBuilder for FaultyMemory {
    type Store = Faulty<MemoryStore>;
    type Guard = ();

    async fn build(&self) -> ((), Faulty<MemoryStore>) {
        ((), Faulty::new(MemoryStore::new(self.node()), self.node()))
    }

    async fn reopen(&self, (): &(), _store: Faulty<MemoryStore>) -> Option<Faulty<MemoryStore>> {
        None
    }

    fn node(&self) -> &'static str {
        "faulty-node"
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

#[tokio::test]
async fn a_faulty_store_without_faults_passes_the_suite() {
    suite::run(&FaultyMemory).await;
    suite::run_spool(&FaultyMemory).await;
}
