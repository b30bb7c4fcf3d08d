//! Making the documents of a part those of a piece, and no others.

use std::{collections::HashSet, sync::Arc};

use bson::{RawArrayBuf, RawDocument, raw::cstr, rawdoc};
use oplogsync_core::{
    batch::Change, doc_id::DocId, document::Document, initial_sync::Piece, namespace::Namespace, store_error::Fault,
};

use crate::{
    bulk::{Action, JOB_CHANGES, has_empty_timestamp},
    command::{Verb, WriteError},
    documents::{Span, checked},
    error::Failure,
    hold::Hold,
    query::{Flow, find_with},
    scope::Place,
    store::MongoStore,
};

/// Most ids that are remembered before their documents are deleted.
const STRAYS_MAX: usize = 10_000;

/// How the documents of a fresh part went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inserted {
    All,
    /// Something was there: the part was not as empty as it was said to be.
    NotFresh,
}

impl MongoStore {
    pub(super) async fn write_piece(&self, hold: &Hold<'_>, piece: &Piece) -> Result<(), Failure> {
        let place = self.place(&piece.ns)?;
        let (as_is, plain): (Vec<&Document>, Vec<&Document>) =
            piece.documents.iter().partition(|document| has_empty_timestamp(document));
        if piece.is_fresh && self.insert_all(hold, &place, &plain).await? == Inserted::All {
            return self.put_all(hold, piece, &as_is).await.map_err(Failure::after_a_write);
        }
        let written = async {
            self.delete_strays(hold, &place, piece).await?;
            self.put_all(hold, piece, &piece.documents.iter().collect::<Vec<_>>()).await
        };
        written.await.map_err(Failure::after_a_write)
    }

    /// Inserts documents as they are, in as few commands as hold them: other pieces are on their way meanwhile.
    async fn insert_all(&self, hold: &Hold<'_>, place: &Place, documents: &[&Document]) -> Result<Inserted, Failure> {
        let mut rest = documents;
        while !rest.is_empty() {
            let (these, others) = rest.split_at(self.fitting(rest.iter().map(|document| document.as_bytes().len())));
            let inserted = self.insert_some(hold, place, these).await.map_err(Failure::after_a_write)?;
            if inserted == Inserted::NotFresh {
                return Ok(inserted);
            }
            rest = others;
        }
        Ok(Inserted::All)
    }

    async fn insert_some(&self, hold: &Hold<'_>, place: &Place, documents: &[&Document]) -> Result<Inserted, Failure> {
        self.still_holds(hold).await?;
        let all: RawArrayBuf = documents.iter().map(|document| document.as_raw()).collect();
        let reply = self.write(place, Verb::Insert, all, false, None).await?;
        let mut invalid = RawArrayBuf::new();
        for error in &reply.errors {
            match documents.get(error.index) {
                Some(_) if error.is_duplicate_of("_id") => return Ok(Inserted::NotFresh),
                Some(document) if error.is_invalid() => invalid.push(document.as_raw()),
                document => return Err(refused(place, document.copied(), error)),
            }
        }
        if invalid.is_empty() {
            return Ok(Inserted::All);
        }
        // The source has taken them, so no validator is asked here.
        let mut command = Verb::Insert.command(place, invalid, false);
        command.append(cstr!("bypassDocumentValidation"), true);
        let reply = self.run_write(place, command, None).await?;
        match reply.errors.first() {
            None => Ok(Inserted::All),
            Some(error) if error.is_duplicate_of("_id") => Ok(Inserted::NotFresh),
            Some(error) => Err(refused(place, None, error)),
        }
    }

    /// Replaces or inserts documents.
    async fn put_all(&self, hold: &Hold<'_>, piece: &Piece, documents: &[&Document]) -> Result<(), Failure> {
        let put = |document: &&Document| {
            let after = Some(Document::clone(document));
            (Arc::new(change(&piece.ns, document.id(), after)), Action::Put)
        };
        let outcome = self.run_jobs(hold, self.jobs(documents.iter().map(put), JOB_CHANGES)?).await?;
        match outcome.refused.first() {
            None => Ok(()),
            Some(found) => Err(refused(&self.place(&piece.ns)?, found.change.after.as_ref(), &found.error)),
        }
    }

    /// Makes one document what it is to be.
    pub(super) async fn write_one(
        &self,
        hold: &Hold<'_>,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
    ) -> Result<(), Failure> {
        let action = if document.is_some() { Action::Put } else { Action::Clear };
        let change = Arc::new(change(ns, id.clone(), document.cloned()));
        let outcome = self.run_jobs(hold, self.jobs([(change, action)], 1)?).await?;
        outcome.refused.first().map_or(Ok(()), |found| Err(refused(&self.place(ns)?, document, &found.error)))
    }

    /// Deletes what is there of a part and does not belong to the piece.
    async fn delete_strays(&self, hold: &Hold<'_>, place: &Place, piece: &Piece) -> Result<(), Failure> {
        let ours: HashSet<DocId> = piece.documents.iter().map(Document::id).collect();
        let delete = |id| (Arc::new(change(&piece.ns, id, None)), Action::Clear);
        if self.is_collated(place).await? {
            loop {
                let strays = self.collated_strays(place, piece, &ours).await?;
                let is_all = strays.len() < STRAYS_MAX;
                self.run_jobs(hold, self.jobs(strays.into_iter().map(delete), JOB_CHANGES)?).await?;
                if is_all {
                    return Ok(());
                }
            }
        }
        let mut after = piece.after.clone();
        loop {
            let (strays, last) = self.strays(place, after.as_ref(), piece.until.as_ref(), &ours).await?;
            self.run_jobs(hold, self.jobs(strays.into_iter().map(delete), JOB_CHANGES)?).await?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// The ids behind `after`, up to `until`, that are not `ours`; and, when there are too many for once, the
    /// last one.
    async fn strays(
        &self,
        place: &Place,
        after: Option<&DocId>,
        until: Option<&DocId>,
        ours: &HashSet<DocId>,
    ) -> Result<(Vec<DocId>, Option<DocId>), Failure> {
        let span = Span { after, until };
        if span.is_empty() {
            return Ok((Vec::new(), None));
        }
        // What an earlier try has written goes, although it may not have come to a majority yet.
        let concern = rawdoc! { "level": "local" };
        let (mut strays, mut last) = (Vec::new(), None);
        let mut take = |raw: &RawDocument| {
            let id = checked(raw, place)?.id();
            if after == Some(&id) || ours.contains(&id) {
                return Ok(Flow::More);
            }
            strays.push(id.clone());
            if strays.len() < STRAYS_MAX {
                return Ok(Flow::More);
            }
            last = Some(id);
            Ok(Flow::Enough)
        };
        let mut command = find_with(place, rawdoc! {}, &concern);
        command.append(cstr!("projection"), rawdoc! { "_id": 1 });
        if span.bound(&mut command) {
            self.query(&place.database, command, &mut take).await?;
        }
        if last.is_none() {
            let there = self.existing_at(place, span.last().as_slice(), &concern).await?;
            strays.extend(there.into_iter().filter(|id| !ours.contains(id)));
        }
        Ok((strays, last))
    }

    /// The first of them where the index has the ids in another order: once they are deleted there may be more.
    async fn collated_strays(
        &self,
        place: &Place,
        piece: &Piece,
        ours: &HashSet<DocId>,
    ) -> Result<Vec<DocId>, Failure> {
        let span = Span { after: piece.after.as_ref(), until: piece.until.as_ref() };
        let filter = rawdoc! { "$expr": { "$and": span.conditions() } };
        let mut command = find_with(place, filter, &rawdoc! { "level": "local" });
        command.append(cstr!("projection"), rawdoc! { "_id": 1 });
        command.append(cstr!("collation"), rawdoc! { "locale": "simple" });
        let mut strays = Vec::new();
        let take = |raw: &RawDocument| {
            let id = checked(raw, place)?.id();
            if !ours.contains(&id) {
                strays.push(id);
            }
            Ok(if strays.len() < STRAYS_MAX { Flow::More } else { Flow::Enough })
        };
        self.query_as(&self.reading().patient(), &place.database, command, None, take).await?;
        Ok(strays)
    }
}

/// A change by no entry.
fn change(ns: &Namespace, id: DocId, after: Option<Document>) -> Change {
    Change { ns: ns.clone(), id, before: None, after, patches: Vec::new(), index: 0 }
}

/// The server does not take a document that the source holds.
fn refused(place: &Place, document: Option<&Document>, error: &WriteError) -> Failure {
    let failure = Failure::from_write_error(error);
    if failure.fault != Fault::Unexpected {
        return failure;
    }
    let which = document.map_or_else(|| "a document".to_owned(), |document| document.id().to_string());
    Failure::said(Fault::Unexpected, format!("the node refuses {which} in {place}: {error}"))
}
