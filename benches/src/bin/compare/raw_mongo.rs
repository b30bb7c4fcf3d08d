//! The same operations on a mongod through the driver alone: what one would write without us, at its fastest.

use std::time::Instant;

use anyhow::{Result, ensure};
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use mongodb::{Database, options::WriteConcern};
use oplogsync_benches::{Kind, Workload, orders};
use oplogsync_core::entry::Operation;

use crate::{context::Context, rounds::Sample, servers::client};

/// The operations of a workload, ready to be sent.
#[derive(Debug)]
pub(crate) struct RawWrites {
    kind: Kind,
    batches: Vec<RawWrite>,
    operations: u64,
    documents: u64,
}

/// The operations of a batch. No document is inserted again after its delete, so deletes can go last.
#[derive(Debug, Default)]
struct RawWrite {
    puts: Vec<RawDocumentBuf>,
    deletes: Vec<RawDocumentBuf>,
}

impl RawWrites {
    /// The same operations as those of a log.
    pub(crate) fn new(kind: Kind, count: usize) -> Self {
        let mut workload = Workload::new(kind);
        let batches = workload.batches(count, 1000);
        let batches = batches.iter().map(|batch| {
            let mut write = RawWrite::default();
            for entry in batch.entries() {
                match entry.operation() {
                    Operation::Insert { document, .. } | Operation::Update { document, .. } => {
                        write.puts.push(document.as_raw().to_owned());
                    }
                    Operation::Delete { id, .. } => write.deletes.push(id.to_raw_document()),
                    _ => {}
                }
            }
            write
        });
        Self { kind, batches: batches.collect(), operations: count as u64, documents: workload.documents() }
    }

    /// Writes them into a new database of the server at `uri`, and takes it away again.
    pub(crate) fn run(&self, context: &Context, uri: &str, concern: &WriteConcern) -> Result<Sample> {
        let name = context.database("raw", self.kind);
        context.runtime.block_on(async {
            let database = client(uri).await?.database(&name);
            // The first use of a connection is not counted, as it is not with us.
            database.run_command(bson::doc! { "ping": 1 }).await?;
            let start = Instant::now();
            self.write(&database, concern).await?;
            let took = start.elapsed();
            let found = database.collection::<RawDocumentBuf>(orders().collection()).estimated_document_count().await?;
            ensure!(found == self.documents, "{found} documents were written, not {}", self.documents);
            database.drop().await?;
            Ok(Sample { operations: self.operations, took })
        })
    }

    /// Writes them batch after batch: inserts by `insert_many`, the mix by unordered bulk upserts and deletes.
    pub(crate) async fn write(&self, database: &Database, concern: &WriteConcern) -> Result<()> {
        let collection = database.collection::<RawDocumentBuf>(orders().collection());
        for batch in &self.batches {
            if self.kind == Kind::Inserts {
                collection.insert_many(&batch.puts).ordered(false).write_concern(concern.clone()).await?;
                continue;
            }
            send(database, upserts(&batch.puts), concern).await?;
            if !batch.deletes.is_empty() {
                send(database, deletes(&batch.deletes), concern).await?;
            }
        }
        Ok(())
    }
}

/// A command that puts whole documents, whether they are there or not.
fn upserts(documents: &[RawDocumentBuf]) -> RawDocumentBuf {
    let mut updates = RawArrayBuf::new();
    for document in documents {
        let id = document.get("_id").ok().flatten().map_or(bson::RawBson::Null, Into::into);
        updates.push(rawdoc! { "q": { "_id": id }, "u": document.clone(), "upsert": true });
    }
    rawdoc! { "update": orders().collection(), "updates": updates, "ordered": false }
}

/// A command that takes documents away.
fn deletes(ids: &[RawDocumentBuf]) -> RawDocumentBuf {
    let mut deletes = RawArrayBuf::new();
    for id in ids {
        deletes.push(rawdoc! { "q": id.clone(), "limit": 1 });
    }
    rawdoc! { "delete": orders().collection(), "deletes": deletes, "ordered": false }
}

async fn send(database: &Database, mut command: RawDocumentBuf, concern: &WriteConcern) -> Result<()> {
    command.append(bson::raw::cstr!("writeConcern"), RawDocumentBuf::try_from(&bson::serialize_to_document(concern)?)?);
    let reply = database.run_raw_command(command).await?;
    ensure!(!reply.contains_key("writeErrors"), "the server refused a part: {reply}");
    ensure!(!reply.contains_key("writeConcernError"), "the server did not wait for the disk: {reply}");
    Ok(())
}
