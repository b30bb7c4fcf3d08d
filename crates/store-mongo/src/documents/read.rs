//! Reading documents: by their ids, and in the order of their ids.

use std::collections::{HashMap, HashSet};

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use mongodb::ClientSession;
use oplogsync_core::{
    digest::NamespaceDigest, doc_id::DocId, document::Document, limits::Limits, namespace::Namespace,
    store_error::Fault,
};

use crate::{
    bulk::{by_id, is_text},
    entry_document::show_id,
    error::Failure,
    query::{Flow, Reading, find_in_transaction, find_with},
    scope::Place,
    store::MongoStore,
};

/// Ids in one query, in number and in bytes.
const IDS_MAX: usize = 1000;
const IDS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The documents of a collection behind an id and up to another one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span<'a> {
    pub(crate) after: Option<&'a DocId>,
    pub(crate) until: Option<&'a DocId>,
}

impl Span<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        // Nothing comes after that one, and a server takes it for an empty range and an error.
        let is_highest = |id: &DocId| matches!(id.value(), RawBsonRef::MaxKey);
        self.after.is_some_and(|after| is_highest(after) || self.until.is_some_and(|until| after >= until))
    }

    /// The same as a condition that compares ids of any types, unlike `$gt` and `$lte` in a filter.
    pub(crate) fn conditions(&self) -> RawArrayBuf {
        let mut conditions = RawArrayBuf::new();
        if let Some(after) = self.after {
            conditions.push(rawdoc! { "$gt": ["$_id", { "$literal": after.value() }] });
        }
        if let Some(until) = self.until {
            conditions.push(rawdoc! { "$lte": ["$_id", { "$literal": until.value() }] });
        }
        conditions
    }

    /// Adds to a query that it is for what is between `after`, if that is there too, and `until`, which is not: in the
    /// order of the index on `_id`, whose bounds do not compare within one type only, as a filter does. `false` when
    /// there can be nothing, which a server would refuse to look for.
    pub(crate) fn bound(&self, command: &mut RawDocumentBuf) -> bool {
        command.append(cstr!("hint"), rawdoc! { "_id": 1 });
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        if let Some(after) = self.after {
            command.append(cstr!("min"), after.to_raw_document());
        }
        if let Some(until) = self.until {
            command.append(cstr!("max"), until.to_raw_document());
        }
        !self.until.is_some_and(|until| matches!(until.value(), RawBsonRef::MinKey))
    }

    /// The id at which it ends, when such a query does not come to it: the upper bound is exclusive, and without one a
    /// query with a lower one ends before `MaxKey`.
    pub(crate) fn last(&self) -> Option<DocId> {
        match (self.after, self.until) {
            (_, Some(until)) => Some(until.clone()),
            (Some(_), None) => DocId::new(RawBson::MaxKey).ok(),
            (None, None) => None,
        }
    }
}

/// Documents in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) documents: Vec<Document>,
    /// Whether there are no more behind them in their span.
    pub(crate) is_end: bool,
}

/// A document that the server holds, checked.
pub(crate) fn checked(raw: &RawDocument, place: &Place) -> Result<Document, Failure> {
    Document::new(raw.to_owned()).map_err(|source| {
        let id = raw.get("_id").ok().flatten().map_or_else(|| "missing".to_owned(), show_id);
        Failure::new(Fault::Incompatible).because(Unusable { place: place.to_string(), id, source })
    })
}

#[derive(Debug, thiserror::Error)]
#[error("{place} holds a document that cannot be replicated, with the _id {id}")]
struct Unusable {
    place: String,
    id: String,
    source: oplogsync_core::document::DocumentError,
}

impl MongoStore {
    pub(crate) async fn read_by_ids(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, Failure> {
        self.read_by_ids_in(ns, ids, None).await
    }

    /// The same in the transaction of a session, if one is given.
    pub(crate) async fn read_by_ids_in(
        &self,
        ns: &Namespace,
        ids: &[DocId],
        session: Option<&mut ClientSession>,
    ) -> Result<Vec<Option<Document>>, Failure> {
        let place = self.place(ns)?;
        if session.is_some() {
            return self.find_by_ids(&place, ids, session, |filter| find_in_transaction(&place, filter)).await;
        }
        self.find_by_ids(&place, ids, None, |filter| self.find_command(&place, filter)).await
    }

    /// The documents with these ids, in the same order, as a read concern shows them.
    pub(crate) async fn read_by_ids_at(
        &self,
        place: &Place,
        ids: &[DocId],
        concern: &RawDocument,
    ) -> Result<Vec<Option<Document>>, Failure> {
        self.find_by_ids(place, ids, None, |filter| find_with(place, filter, concern)).await
    }

    async fn find_by_ids(
        &self,
        place: &Place,
        ids: &[DocId],
        mut session: Option<&mut ClientSession>,
        find: impl Fn(RawDocumentBuf) -> RawDocumentBuf,
    ) -> Result<Vec<Option<Document>>, Failure> {
        let mut found: HashMap<DocId, Document> = HashMap::with_capacity(ids.len());
        for filter in filters(ids) {
            let mut command = find(filter);
            command.append(cstr!("maxTimeMS"), self.max_time_ms());
            self.query_in(&place.database, command, session.as_deref_mut(), |raw| {
                let document = checked(raw, place)?;
                found.insert(document.id(), document);
                Ok(Flow::More)
            })
            .await?;
        }
        // An id may be asked for twice.
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Those of the ids that have a document.
    pub(crate) async fn existing(&self, place: &Place, ids: &[DocId]) -> Result<HashSet<DocId>, Failure> {
        self.existing_at(place, ids, &self.read_concern()).await
    }

    /// The same as a read concern shows it.
    pub(crate) async fn existing_at(
        &self,
        place: &Place,
        ids: &[DocId],
        concern: &RawDocument,
    ) -> Result<HashSet<DocId>, Failure> {
        let mut existing = HashSet::with_capacity(ids.len());
        for filter in filters(ids) {
            let mut command = find_with(place, filter, concern);
            command.append(cstr!("projection"), rawdoc! { "_id": 1 });
            command.append(cstr!("maxTimeMS"), self.max_time_ms());
            self.query(&place.database, command, |raw| {
                existing.insert(checked(raw, place)?.id());
                Ok(Flow::More)
            })
            .await?;
        }
        Ok(existing)
    }

    pub(super) async fn scan_from(
        &self,
        ns: &Namespace,
        after: Option<&DocId>,
        limits: Limits,
    ) -> Result<Vec<Document>, Failure> {
        let place = self.place(ns)?;
        let span = Span { after, until: None };
        Ok(self.scan_at(&place, span, limits, &self.read_concern(), &self.reading()).await?.documents)
    }

    /// The first documents of a span in the order of their ids, as a read concern shows them.
    pub(crate) async fn scan_at(
        &self,
        place: &Place,
        span: Span<'_>,
        limits: Limits,
        concern: &RawDocument,
        reading: &Reading,
    ) -> Result<Scanned, Failure> {
        if span.is_empty() {
            return Ok(Scanned { is_end: true, ..Scanned::default() });
        }
        // An index with a collation has texts, and only those, in another order. Between two of them there is nothing
        // in that order, perhaps, which a server refuses.
        let has_text_bound = span.after.is_some_and(is_text) || span.until.is_some_and(is_text);
        if has_text_bound && self.is_collated(place).await? {
            return self.scan_sorted(place, span, limits, concern, reading).await;
        }
        let scanned = self.scan_index(place, span, limits, concern, reading).await?;
        let has_text = scanned.documents.iter().any(|document| is_text(&document.id()));
        if has_text && !has_text_bound && self.is_collated(place).await? {
            return self.scan_sorted(place, span, limits, concern, reading).await;
        }
        Ok(scanned)
    }

    /// The same in the order in which the index on `_id` has them.
    async fn scan_index(
        &self,
        place: &Place,
        span: Span<'_>,
        limits: Limits,
        concern: &RawDocument,
        reading: &Reading,
    ) -> Result<Scanned, Failure> {
        let after = span.after;
        let (mut documents, mut bytes, mut full) = (Vec::new(), 0, false);
        let mut command = find_with(place, rawdoc! {}, concern);
        let has_inside = span.bound(&mut command);
        // One more tells whether there are more, and the bound itself comes along if it is still there.
        let others = 1 + i64::from(after.is_some());
        let count = i64::try_from(limits.entries_max.max(1)).unwrap_or(i64::MAX).saturating_add(others);
        command.append(cstr!("limit"), count);
        command.append(cstr!("batchSize"), count);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let take = |raw: &RawDocument| {
            let document = checked(raw, place)?;
            // The lower bound is inclusive.
            if documents.is_empty() && after.is_some_and(|after| document.id() == *after) {
                return Ok(Flow::More);
            }
            bytes += document.as_bytes().len();
            full = documents.len() == limits.entries_max.max(1) || (bytes > limits.bytes_max && !documents.is_empty());
            if full {
                return Ok(Flow::Enough);
            }
            documents.push(document);
            Ok(Flow::More)
        };
        if has_inside {
            self.query_as(reading, &place.database, command, None, take).await?;
        }
        if let Some(last) = span.last().filter(|_| !full) {
            full = !self.scan_the_last(place, &last, limits, concern, reading, &mut documents).await?;
        }
        Ok(Scanned { documents, is_end: !full })
    }

    /// The same in an order that no index has: the server sorts all of them for each page.
    async fn scan_sorted(
        &self,
        place: &Place,
        span: Span<'_>,
        limits: Limits,
        concern: &RawDocument,
        reading: &Reading,
    ) -> Result<Scanned, Failure> {
        let mut command = find_with(place, rawdoc! { "$expr": { "$and": span.conditions() } }, concern);
        let count = i64::try_from(limits.entries_max.max(1)).unwrap_or(i64::MAX).saturating_add(1);
        command.append(cstr!("collation"), rawdoc! { "locale": "simple" });
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        command.append(cstr!("limit"), count);
        command.append(cstr!("batchSize"), count);
        command.append(cstr!("allowDiskUse"), true);
        let (mut documents, mut bytes, mut is_end) = (Vec::new(), 0, true);
        let take = |raw: &RawDocument| {
            let document = checked(raw, place)?;
            bytes += document.as_bytes().len();
            let is_full = documents.len() == limits.entries_max.max(1) || bytes > limits.bytes_max;
            if is_full && !documents.is_empty() {
                is_end = false;
                return Ok(Flow::Enough);
            }
            documents.push(document);
            Ok(Flow::More)
        };
        self.query_as(&reading.patient(), &place.database, command, None, take).await?;
        Ok(Scanned { documents, is_end })
    }

    /// Adds the document with the id at which a span ends. Whether nothing is left then.
    async fn scan_the_last(
        &self,
        place: &Place,
        last: &DocId,
        limits: Limits,
        concern: &RawDocument,
        reading: &Reading,
        documents: &mut Vec<Document>,
    ) -> Result<bool, Failure> {
        let mut command = find_with(place, by_id(last), concern);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut found = None;
        self.query_as(reading, &place.database, command, None, |raw| {
            found = Some(checked(raw, place)?);
            Ok(Flow::Enough)
        })
        .await?;
        let Some(last) = found else { return Ok(true) };
        if documents.last().is_some_and(|document| document.id() == last.id()) {
            return Ok(true);
        }
        let bytes: usize = documents.iter().chain([&last]).map(|document| document.as_bytes().len()).sum();
        let fits = documents.is_empty() || (documents.len() < limits.entries_max && bytes <= limits.bytes_max);
        if fits {
            documents.push(last);
        }
        Ok(fits)
    }

    pub(super) async fn compute_digest(&self, ns: &Namespace) -> Result<NamespaceDigest, Failure> {
        let place = self.place(ns)?;
        let mut digest = NamespaceDigest::default();
        // Without `maxTimeMS`, which would bound the whole scan; each batch has the client's deadline.
        let command = self.find_command(&place, rawdoc! {});
        self.query(&place.database, command, |raw| {
            digest.add(&checked(raw, &place)?);
            Ok(Flow::More)
        })
        .await?;
        Ok(digest)
    }
}

/// The filters that together match the documents with these ids.
fn filters(ids: &[DocId]) -> Vec<RawDocumentBuf> {
    let (mut filters, mut open, mut held, mut bytes) = (Vec::new(), RawArrayBuf::new(), 0, 0);
    for id in ids {
        if looks_like_an_operator(id) {
            filters.push(by_id(id));
            continue;
        }
        open.push(id.value());
        held += 1;
        bytes += id.key().len();
        if held == IDS_MAX || bytes >= IDS_BYTES_MAX {
            filters.push(rawdoc! { "_id": { "$in": std::mem::take(&mut open) } });
            (held, bytes) = (0, 0);
        }
    }
    if held > 0 {
        filters.push(rawdoc! { "_id": { "$in": open } });
    }
    filters
}

/// `$in` refuses a document whose first field starts with `$`; `$eq` takes it literally.
fn looks_like_an_operator(id: &DocId) -> bool {
    match id.value() {
        RawBsonRef::Document(document) => {
            document.iter().next().is_some_and(|field| field.is_ok_and(|(name, _)| name.as_str().starts_with('$')))
        }
        _ => false,
    }
}
