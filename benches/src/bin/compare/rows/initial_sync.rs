//! Our initial sync against a raw parallel copy.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bson::{RawDocumentBuf, doc};
use futures_util::StreamExt;
use mongodb::{Client, Collection, options::WriteConcern};
use oplogsync_benches::{Kind, node, orders};
use oplogsync_core::{
    filter::Filter,
    host::SystemHost,
    initial_sync::{InitialSync, SyncOptions},
};
use oplogsync_store_mongo::{ChangeStreamFeed, ChangeStreamOptions, SnapshotSource};
use tokio::task::JoinSet;

use crate::{
    context::Context,
    raw_mongo::RawWrites,
    rounds::{Sample, compare},
    row::{Measured, Row},
    servers::{Target, client},
};

pub(super) fn rows() -> Vec<Row> {
    [Target::Set, Target::Standalone].map(row).into()
}

fn row(target: Target) -> Row {
    let doc = "Our initial sync of one collection of a replica set, from its snapshot, with its notes and the default lanes, \
               against a copy with as many lanes that reads ranges of `_id` and writes what it has read, in pieces of \
               the same size.";
    Row::new(format!("initial-sync/{} vs raw-copy", target.as_str()), doc, move |context| {
        let servers = match context.servers() {
            Ok(servers) => servers,
            Err(why) => return Ok(Measured::Not(why)),
        };
        let count = context.size(100_000, 400_000);
        let (from, to) = (servers.source(), servers.target(target));
        let database = context.database("copied", Kind::Inserts);
        let source = context.runtime.block_on(async {
            let source = client(&from).await?;
            let writes = RawWrites::new(Kind::Inserts, count);
            writes.write(&source.database(&database), &Target::Set.write_concern()).await?;
            anyhow::Ok(source)
        })?;
        let copy = Copy { source, from, to, database, count: count as u64, concern: target.write_concern() };
        let figures = compare(|| copy.ours(context), || copy.raw(context))?;
        context.runtime.block_on(async { copy.source.database(&copy.database).drop().await })?;
        Ok(figures.into())
    })
}

/// What is copied, and where.
struct Copy {
    source: Client,
    from: String,
    to: String,
    database: String,
    count: u64,
    concern: WriteConcern,
}

impl Copy {
    fn ours(&self, context: &Context) -> Result<Sample> {
        let name = context.database("ours", Kind::Inserts);
        context.runtime.block_on(async {
            let (source, target) = (node(&self.from, &self.database).await?, node(&self.to, &name).await?);
            let feed = ChangeStreamFeed::new(source.clone(), Filter::everything(), ChangeStreamOptions::default());
            let source = SnapshotSource::new(source, Filter::everything());
            let options = SyncOptions::default();
            let start = Instant::now();
            let sync = InitialSync::new("replica", &feed, &source, &target, &SystemHost, &options);
            Box::pin(sync.run(&())).await?;
            let took = start.elapsed();
            self.finish(&name).await?;
            Ok(Sample { operations: self.count, took })
        })
    }

    fn raw(&self, context: &Context) -> Result<Sample> {
        let name = context.database("raw", Kind::Inserts);
        let options = SyncOptions::default();
        context.runtime.block_on(async {
            let from: Collection<RawDocumentBuf> =
                self.source.database(&self.database).collection(orders().collection());
            let to = client(&self.to).await?.database(&name).collection(orders().collection());
            let start = Instant::now();
            let mut lanes = JoinSet::new();
            for (after, until) in ranges(options.lanes)? {
                let (from, to) = (from.clone(), to.clone());
                lanes.spawn(copy_range(from, to, after, until, options.limits.entries_max, self.concern.clone()));
            }
            while let Some(lane) = lanes.join_next().await {
                lane.context("a lane was cut off")??;
            }
            let took = start.elapsed();
            self.finish(&name).await?;
            Ok(Sample { operations: self.count, took })
        })
    }

    /// Checks what was copied, and takes it away.
    async fn finish(&self, name: &str) -> Result<()> {
        let database = client(&self.to).await?.database(name);
        let found = database.collection::<RawDocumentBuf>(orders().collection()).estimated_document_count().await?;
        ensure!(found == self.count, "{found} documents were copied, not {}", self.count);
        Ok(database.drop().await?)
    }
}

/// The ids of the workload are spread evenly over these.
fn ranges(lanes: usize) -> Result<Vec<(i32, i32)>> {
    let lanes = i32::try_from(lanes)?;
    let width = i32::MAX / lanes;
    Ok((0..lanes)
        .map(|lane| (lane * width - 1, if lane == lanes - 1 { i32::MAX } else { (lane + 1) * width - 1 }))
        .collect())
}

async fn copy_range(
    from: Collection<RawDocumentBuf>,
    to: Collection<RawDocumentBuf>,
    after: i32,
    until: i32,
    size: usize,
    concern: WriteConcern,
) -> Result<()> {
    let filter = doc! { "_id": { "$gt": after, "$lte": until } };
    let cursor = from.find(filter).sort(doc! { "_id": 1 }).batch_size(u32::try_from(size)?).await?;
    let mut pieces = cursor.chunks(size);
    while let Some(piece) = pieces.next().await {
        let documents = piece.into_iter().collect::<Result<Vec<_>, _>>()?;
        to.insert_many(&documents).ordered(false).write_concern(concern.clone()).await?;
    }
    Ok(())
}
