//! Catch-up: a replica that applies a finished log from its beginning to its head.

use std::time::Instant;

use anyhow::{Result, ensure};
use oplogsync_benches::{Kind, Workload, follow_to_the_head, node, orders};
use oplogsync_core::{
    feed::OplogFeed,
    log::{Appended, Log},
    testing::chain::log_id,
};
use oplogsync_store_mongo::MongoStore;

use crate::{context::Context, rounds::Sample, servers::client};

/// A managed oplog on a server.
#[derive(Debug)]
pub(crate) struct ManagedLog {
    store: MongoStore,
    operations: u64,
    documents: u64,
}

impl ManagedLog {
    /// Writes a log of its own into a database of the source. Primaries write more slowly: it is not measured.
    pub(crate) fn write(context: &Context, uri: &str, kind: Kind, count: usize) -> Result<Self> {
        let database = context.database("log", kind);
        context.runtime.block_on(async {
            let store = node(uri, &database).await?;
            store.create_log(log_id(1)).await?;
            let mut workload = Workload::new(kind);
            for from in (0..count).step_by(1000) {
                let entries = workload.entries(1000.min(count - from));
                ensure!(store.append(&entries).await? == Appended::All, "somebody else writes {database}");
            }
            Ok(Self { store, operations: count as u64, documents: workload.documents() })
        })
    }

    /// Applies it to a new database of the server at `uri`, as a replica does: from taking the lease until the
    /// checkpoint is at the head.
    pub(crate) fn catch_up(&self, context: &Context, uri: &str, kind: Kind) -> Result<Sample> {
        let database = context.database("ours", kind);
        context.runtime.block_on(async {
            let target = node(uri, &database).await?;
            let feed = OplogFeed::new(self.store.clone(), "source");
            let start = Instant::now();
            follow_to_the_head(feed, target.clone()).await?;
            let took = start.elapsed();
            let found = client(uri).await?.database(&database).collection::<bson::Document>(orders().collection());
            let found = found.estimated_document_count().await?;
            ensure!(found == self.documents, "the replica holds {found} documents, not {}", self.documents);
            target.client().database(&database).drop().await?;
            Ok(Sample { operations: self.operations, took })
        })
    }
}
