//! [`Log`]: the managed oplog, a collection whose `_id` is the index of the entry.
//!
//! The unique `_id` makes an insert a compare-and-swap: allocating a position and publishing the
//! entry are one step of the server, so there are no holes and no counter.

mod append;
pub(crate) mod appended;

use bson::{RawArrayBuf, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
};

use crate::{
    command::Verb,
    entry_document::{self, bytes16},
    error::{Access, Failure},
    node_document::{ACKNOWLEDGEMENT_PREFIX, LOG, LogState, counted, decode_acknowledgement, encode_anchor},
    query::Flow,
    scope::Place,
    store::MongoStore,
};

/// Entries are deleted in steps, so that no single request takes long.
const TRIM_STEP: u64 = 10_000;

impl Log for MongoStore {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.create(log).await.map_err(|failure| self.store_error(format!("create log {log}"), failure))
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.ends().await.map_err(|failure| self.store_error("read the ends of the log", failure))
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        self.append_entries(entries).await.map_err(|failure| {
            let index = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.position().index);
            let doing = format!("append entries {}..={}", index(entries.first()), index(entries.last()));
            self.store_error(doing, failure)
        })
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.read_entries(from, limits)
            .await
            .map_err(|failure| self.store_error(format!("read the log from entry {from} on"), failure))
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.find_operation(op_id)
            .await
            .map_err(|failure| self.store_error(format!("look for operation {op_id}"), failure))
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        self.trim_through(floor)
            .await
            .map_err(|failure| self.store_error(format!("trim the log up to {}", floor.position), failure))
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        self.remember(acknowledgement).await.map_err(|failure| {
            let doing =
                format!("remember that {} has come to {}", acknowledgement.replica, acknowledgement.at.position);
            self.store_error(doing, failure)
        })
    }

    async fn appended(&self, index: u64) {
        self.await_entry(index).await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        self.read_acknowledgements()
            .await
            .map_err(|failure| self.store_error("read how far the replicas have come", failure))
    }
}

impl MongoStore {
    /// The collection of the entries.
    pub(crate) fn oplog(&self) -> Place {
        self.own("oplog")
    }

    async fn create(&self, log: LogId) -> Result<LogEnds, Failure> {
        // The index first: a log without it could hold an operation twice.
        self.create_op_id_index().await?;
        if self.log_state().await?.is_none() {
            let state = LogState { log, floor: Entry::origin(log) };
            let statements: RawArrayBuf = [state.encode()].into_iter().collect();
            let reply = self.write(&self.own("node"), Verb::Insert, statements, true, None).await?;
            if let Some(error) = reply.errors.iter().find(|error| !error.is_duplicate()) {
                return Err(Failure::from_write_error(error));
            }
        }
        let ends = self.ends().await?;
        ends.ok_or_else(|| Failure::said(Fault::Corrupt, "the log's node document was deleted while it was created"))
    }

    async fn create_op_id_index(&self) -> Result<(), Failure> {
        let place = self.oplog();
        let command = rawdoc! {
            "createIndexes": place.collection.as_str(),
            "indexes": [{ "key": { "opId": 1 }, "name": "opId_1", "unique": true }],
            "writeConcern": self.write_concern(),
        };
        self.run(&place.database, command, Access::Write, None).await.map(drop)
    }

    /// What the node knows about its log. Entries without it are another's, or damage.
    pub(crate) async fn log_state(&self) -> Result<Option<LogState>, Failure> {
        match self.find_one(&self.own("node"), rawdoc! { "_id": LOG }, None).await? {
            Some(document) => LogState::decode(&document).map(Some),
            None if self.find_one(&self.oplog(), rawdoc! {}, None).await?.is_some() => {
                let words = format!("{} holds entries, but the node document `{LOG}` is gone", self.oplog());
                Err(Failure::said(Fault::Corrupt, words))
            }
            None => Ok(None),
        }
    }

    async fn ends(&self) -> Result<Option<LogEnds>, Failure> {
        let Some(mut state) = self.log_state().await? else { return Ok(None) };
        loop {
            let above = rawdoc! { "_id": { "$gt": counted(state.floor.position.index) } };
            let newest = self.find_one(&self.oplog(), above, Some(rawdoc! { "_id": -1 })).await?;
            if let Some(newest) = newest {
                let head = entry_document::decode(&newest, &self.oplog())?.anchor();
                return Ok(Some(LogEnds { log: state.log, floor: state.floor, head }));
            }
            // Nothing above the floor: either there is nothing, or a trim has moved the floor since.
            let again = self.log_state().await?;
            match again {
                Some(again) if again != state => state = again,
                _ => return Ok(Some(LogEnds { log: state.log, floor: state.floor, head: state.floor })),
            }
        }
    }

    async fn read_entries(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, Failure> {
        let Some(state) = self.log_state().await? else { return Ok(Vec::new()) };
        // What stands below the floor is left over from a trim that was cut off.
        let from = from.max(state.floor.next_index());
        let place = self.oplog();
        let mut command = self.find_command(&place, rawdoc! { "_id": { "$gte": counted(from) } });
        let count = i64::try_from(limits.entries_max.max(1)).unwrap_or(i64::MAX);
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        command.append(cstr!("limit"), count);
        command.append(cstr!("batchSize"), count);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let (mut entries, mut bytes) = (Vec::new(), 0);
        self.query(&place.database, command, |document| {
            let entry = entry_document::decode(document, &place)?;
            bytes += entry.bytes();
            if bytes > limits.bytes_max && !entries.is_empty() {
                return Ok(Flow::Enough);
            }
            entries.push(entry);
            Ok(Flow::More)
        })
        .await?;
        if let Some(last) = entries.last() {
            self.await_journal(last.position().index).await?;
        }
        Ok(entries)
    }

    /// The document of the entry with this operation id, also when it is below the floor.
    async fn find_document(&self, op_id: OpId) -> Result<Option<RawDocumentBuf>, Failure> {
        self.find_one(&self.oplog(), rawdoc! { "opId": bytes16(op_id.to_bytes()) }, None).await
    }

    async fn find_operation(&self, op_id: OpId) -> Result<Option<Position>, Failure> {
        let Some(document) = self.find_document(op_id).await? else { return Ok(None) };
        let position = entry_document::decode(&document, &self.oplog())?.position();
        let floor = self.log_state().await?.map_or(0, |state| state.floor.position.index);
        // Whoever asks takes it for done.
        self.await_journal(position.index).await?;
        Ok((position.index > floor).then_some(position))
    }

    async fn trim_through(&self, floor: &Anchor) -> Result<(), Failure> {
        let defect = |words: &str| Failure::said(Fault::Defect, words);
        let ends = self.ends().await?.ok_or_else(|| defect("there is no log to trim"))?;
        let index = floor.position.index;
        if index <= ends.floor.position.index {
            return Ok(());
        }
        if index > ends.head.position.index {
            return Err(defect("the new floor is above the head"));
        }
        let at = self.find_one(&self.oplog(), rawdoc! { "_id": counted(index) }, None).await?;
        let at = at.map(|document| entry_document::decode(&document, &self.oplog())).transpose()?;
        match at.map(|entry| entry.anchor()) {
            Some(anchor) if anchor == *floor => {}
            Some(_) => return Err(defect("another entry stands where the new floor should be")),
            None => {
                return Err(Failure::said(Fault::Corrupt, format!("entry {index} is missing from {}", self.oplog())));
            }
        }
        let below = rawdoc! { "_id": LOG, "floor.index": { "$lt": counted(index) } };
        let update = rawdoc! { "$set": { "floor": encode_anchor(floor) } };
        self.swap_node_document(below, update, false).await?;
        self.delete_below(index).await
    }

    /// Deletes what stands below the floor. The floor's own entry stays, though nobody reads it: it
    /// keeps its position taken, so that an insert that was held up on its way, which is ordered,
    /// ends there and never reaches the positions above.
    async fn delete_below(&self, floor: u64) -> Result<(), Failure> {
        let place = self.oplog();
        let oldest = self.find_one(&place, rawdoc! {}, Some(rawdoc! { "_id": 1 })).await?;
        let Some(oldest) = oldest else { return Ok(()) };
        let oldest = oldest.get_i64("_id").ok().and_then(|oldest| u64::try_from(oldest).ok());
        let words = || format!("the oldest document of {place} is no entry: its _id is no index");
        let mut to = oldest.ok_or_else(|| Failure::said(Fault::Corrupt, words()))?;
        loop {
            to = to.saturating_add(TRIM_STEP).min(floor);
            let statement = rawdoc! { "q": { "_id": { "$lt": counted(to) } }, "limit": 0 };
            let statements: RawArrayBuf = [statement].into_iter().collect();
            let reply = self.write(&place, Verb::Delete, statements, true, None).await?;
            if let Some(error) = reply.errors.first() {
                return Err(Failure::from_write_error(error));
            }
            if to == floor {
                return Ok(());
            }
        }
    }

    async fn remember(&self, acknowledgement: &Acknowledgement) -> Result<(), Failure> {
        let replica = acknowledgement.replica.as_str();
        let filter = rawdoc! { "_id": { "$eq": format!("{ACKNOWLEDGEMENT_PREFIX}{replica}") } };
        let update = rawdoc! { "$set": { "v": 1, "replica": replica, "at": encode_anchor(&acknowledgement.at) } };
        let known = self.swap_node_document(filter.clone(), update.clone(), true).await?;
        // Two first acknowledgements at once: the one that came second finds a document now.
        if known || self.swap_node_document(filter, update, false).await? {
            return Ok(());
        }
        Err(Failure::said(Fault::Corrupt, "the acknowledgement was deleted while it was written"))
    }

    async fn read_acknowledgements(&self) -> Result<Vec<Acknowledgement>, Failure> {
        let place = self.own("node");
        // The character after the prefix's last one ends the range.
        let filter = rawdoc! { "_id": { "$gte": ACKNOWLEDGEMENT_PREFIX, "$lt": "ack;" } };
        let mut command = self.find_command(&place, filter);
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut all = Vec::new();
        self.query(&place.database, command, |document| {
            all.push(decode_acknowledgement(document)?);
            Ok(Flow::More)
        })
        .await?;
        all.sort_by(|a, b| a.replica.cmp(&b.replica));
        Ok(all)
    }
}
