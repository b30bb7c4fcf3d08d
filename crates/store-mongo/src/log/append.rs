//! Appending: ordered inserts at known positions, and what a taken position means.

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use oplogsync_core::{batch::check_follows, entry::Entry, log::Appended, store_error::Fault};

use crate::{
    command::{Verb, WriteError, array},
    entry_document::{self, bytes16},
    error::Failure,
    node_document::{LogState, counted},
    store::MongoStore,
};

/// How far the inserts came, and whether a request went out that could have inserted something.
struct Progress {
    count: usize,
    sent: bool,
}

/// What an entry means that could not go in.
enum Taken {
    /// It is the same entry, from an earlier try.
    Ours,
    /// Its operation id was left over at or below the floor, and is free now.
    Freed,
    /// It is another writer's.
    Theirs,
}

impl MongoStore {
    pub(super) async fn append_entries(&self, entries: &[Entry]) -> Result<Appended, Failure> {
        let Some(first) = entries.first() else { return Ok(Appended::All) };
        for (before, entry) in entries.iter().zip(entries.iter().skip(1)) {
            check_follows(&before.anchor(), entry).map_err(|error| Failure::new(Fault::Defect).because(error))?;
        }
        let state = self.known_log().await?;
        if !self.stands_before(first, &state).await? {
            return Ok(Appended::Beaten { count: 0 });
        }
        let mut progress = Progress { count: 0, sent: false };
        let result = self.insert_entries(entries, &mut progress).await;
        let count = match result {
            Ok(()) => self.above_floor(entries, progress.count).await,
            Err(failure) => Err(failure),
        };
        let count = count.map_err(|failure| if progress.sent { failure.after_a_write() } else { failure })?;
        Ok(if count == entries.len() { Appended::All } else { Appended::Beaten { count } })
    }

    async fn known_log(&self) -> Result<LogState, Failure> {
        self.log_state().await?.ok_or_else(|| Failure::said(Fault::Defect, "there is no log to append to"))
    }

    /// Whether the entry before `first` stands in the log, or is the floor.
    async fn stands_before(&self, first: &Entry, state: &LogState) -> Result<bool, Failure> {
        let previous = first.position().index.saturating_sub(1);
        let is_floor =
            |state: &LogState| state.floor.position.index == previous && state.floor.hash == first.prev_hash();
        if state.floor.position.index >= previous {
            return Ok(is_floor(state));
        }
        let filter = rawdoc! { "_id": counted(previous) };
        match self.find_one(&self.oplog(), filter, None).await? {
            Some(document) => Ok(entry_document::decode(&document, &self.oplog())?.hash() == first.prev_hash()),
            // Not there: a trim may have taken it since.
            None => Ok(is_floor(&self.known_log().await?)),
        }
    }

    async fn insert_entries(&self, entries: &[Entry], progress: &mut Progress) -> Result<(), Failure> {
        let mut documents = Vec::with_capacity(entries.len());
        for entry in entries {
            let document = entry_document::encode(entry)
                .ok_or_else(|| Failure::said(Fault::Defect, "a position is beyond what a server can count"))?;
            documents.push(document);
        }
        let place = self.oplog();
        while let Some(rest) = documents.get(progress.count..).filter(|rest| !rest.is_empty()) {
            let fitting = self.fitting(rest.iter().map(|document| document.as_bytes().len()));
            let group = rest.get(..fitting).unwrap_or(rest);
            let statements = array(group.iter().map(AsRef::as_ref));
            let reply = self.write(&place, Verb::Insert, statements, true, None).await;
            progress.sent |= !matches!(&reply, Err(failure) if failure.fault == Fault::Unavailable);
            let reply = reply.map_err(|failure| too_large(failure, entries.get(progress.count)))?;
            progress.count += reply.count;
            match (reply.errors.first(), entries.get(progress.count)) {
                (None, _) if reply.count == group.len() => {}
                (Some(error), Some(entry)) => match self.taken(error, entry).await? {
                    Taken::Ours => progress.count += 1,
                    Taken::Freed => {}
                    Taken::Theirs => return Ok(()),
                },
                _ => return Err(Failure::said(Fault::Unexpected, "the server did not insert what it was given")),
            }
        }
        Ok(())
    }

    /// Finds out why `entry` could not be inserted.
    async fn taken(&self, error: &WriteError, entry: &Entry) -> Result<Taken, Failure> {
        if !error.is_duplicate() {
            return Err(refused(error, entry));
        }
        let filter = rawdoc! { "_id": counted(entry.position().index) };
        let standing = self.find_one(&self.oplog(), filter, None).await?;
        let floor = self.known_log().await?.floor;
        if entry.position().index == floor.position.index {
            return Ok(if entry.hash() == floor.hash { Taken::Ours } else { Taken::Theirs });
        }
        if let Some(standing) = standing {
            let standing = entry_document::decode(&standing, &self.oplog())?;
            return Ok(if standing.hash() == entry.hash() { Taken::Ours } else { Taken::Theirs });
        }
        // The position is free, so the operation id is not: the log holds it elsewhere.
        let Some(other) = self.find_document(entry.op_id()).await? else { return Ok(Taken::Theirs) };
        let other = entry_document::decode(&other, &self.oplog())?;
        if other.position().index > floor.position.index {
            return Ok(Taken::Theirs);
        }
        if other.position() == floor.position {
            self.free_operation(&other).await?;
        } else {
            self.remove(&[other]).await?;
        }
        Ok(Taken::Freed)
    }

    /// Takes the operation id from the floor's entry, which nobody reads any more but which has to
    /// stay: its hash, which is unique as well, takes the id's place.
    async fn free_operation(&self, floor: &Entry) -> Result<(), Failure> {
        let hash = bytes16(floor.hash().to_bytes());
        let filter = rawdoc! { "_id": counted(floor.position().index), "hash": hash.clone() };
        let reply = self.update_one(&self.oplog(), filter, rawdoc! { "$set": { "opId": hash } }, false, None).await?;
        reply.errors.first().map_or(Ok(()), |error| Err(Failure::from_write_error(error)))
    }

    /// How many of the first `count` entries, which were inserted, count: all, unless the floor has
    /// passed them and they were not the entries that it passed. Such entries are taken out again.
    async fn above_floor(&self, entries: &[Entry], count: usize) -> Result<usize, Failure> {
        let ours = entries.get(..count).unwrap_or(entries);
        let (Some(first), floor) = (ours.first(), self.known_log().await?.floor) else { return Ok(0) };
        if floor.position.index < first.position().index {
            return Ok(count);
        }
        // They were trimmed as part of the log when the floor is one of them.
        if ours.iter().any(|entry| entry.position() == floor.position && entry.hash() == floor.hash) {
            return Ok(count);
        }
        self.remove(ours).await?;
        Ok(0)
    }

    async fn remove(&self, entries: &[Entry]) -> Result<(), Failure> {
        let statement = |entry: &Entry| -> RawDocumentBuf {
            let filter = rawdoc! { "_id": counted(entry.position().index), "hash": bytes16(entry.hash().to_bytes()) };
            rawdoc! { "q": filter, "limit": 1 }
        };
        let statements: RawArrayBuf = entries.iter().map(statement).collect();
        let reply = self.write(&self.oplog(), Verb::Delete, statements, false, None).await?;
        reply.errors.first().map_or(Ok(()), |error| Err(Failure::from_write_error(error)))
    }
}

/// A command is too large when the one entry in it is: more than one go out only where they fit.
fn too_large(mut failure: Failure, entry: Option<&Entry>) -> Failure {
    if failure.is_too_large()
        && let Some(entry) = entry
        && let (Some(ns), Some(id)) = (entry.operation().namespace(), entry.operation().doc_id())
    {
        failure.fault = Fault::Rejected { ns: ns.clone(), id, index: entry.position().index };
    }
    failure
}

/// The server does not take an entry: it is too large, or its document has a form that it refuses.
fn refused(error: &WriteError, entry: &Entry) -> Failure {
    let failure = Failure::from_write_error(error);
    match (entry.operation().namespace(), entry.operation().doc_id()) {
        (Some(ns), Some(id)) if failure.fault == Fault::Unexpected => {
            Failure::new(Fault::Rejected { ns: ns.clone(), id, index: entry.position().index }).because(error.clone())
        }
        _ => failure,
    }
}
