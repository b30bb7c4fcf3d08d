//! [`History`]: what the entries around a target's checkpoint do to its documents and collections.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{
    RepairError, Unsettled,
    early_indexes::EarlyIndexes,
    expected::{Expected, Wanted},
};
use crate::{
    catalog::{Collection, CollectionOptions},
    catch_up::{Clock, Moment},
    checkpoint::{Checkpoint, Token},
    command::Action,
    doc_id::DocId,
    document::Document,
    entry::{Entry, Operation},
    feed::Feed,
    filter::Filter,
    host::Host,
    limits::Limits,
    namespace::Namespace,
    position::{Anchor, Position},
    verify::CatalogDifference,
};

/// How often a feed that has not come to the present is looked at again.
const LOOKS: u32 = 20;
/// The wait before each look.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What entries say about some documents and about all collections, by the source's names.
#[derive(Debug)]
pub(super) struct History {
    clock: Clock,
    filter: Filter,
    /// When the target's checkpoint was.
    checkpoint: Moment,
    /// From when on the entries are known.
    begin: Moment,
    /// Up to where the entries are known.
    at: Checkpoint,
    token: Option<Token>,
    documents: BTreeMap<Namespace, HashMap<DocId, Trace>>,
    /// Whether documents are added that nobody has asked about, and how many may be.
    room: usize,
    /// Of a whole collection: what happens to all of its documents.
    contents: HashMap<Namespace, Trace>,
    /// Of a collection's options and indexes.
    catalog: HashMap<Namespace, Trace>,
    /// Collections with entries of documents behind the checkpoint.
    written: HashSet<Namespace>,
    /// What the next command about a collection creates.
    created: HashMap<Namespace, CollectionOptions>,
    /// Of each index: what happens to it behind the checkpoint.
    indexes: EarlyIndexes,
}

/// What entries do to one thing.
#[derive(Debug, Clone, Copy, Default)]
struct Trace {
    /// The last change up to the checkpoint, as far as it was looked for.
    before: Option<Moment>,
    /// The first change behind the checkpoint.
    after: Option<(Position, Next)>,
}

/// What a change needs of a document before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// That it is not there.
    Absent,
    /// That it is there, with whatever content.
    Present,
    /// That it is what it was at the source.
    Patched,
    /// Nothing: it goes with its collection.
    Dropped,
    /// It goes on under another name, or what has another name gets its name.
    Moved,
}

impl Trace {
    fn note(&mut self, at: Moment, entry: &Anchor, checkpoint: Moment, next: Next) {
        if at <= checkpoint {
            self.before = Some(at);
        } else if self.after.is_none() {
            self.after = Some((entry.position, next));
        }
    }
}

impl History {
    /// Knows nothing yet of the entries behind `from`, which is not later than the target's checkpoint.
    pub(super) fn new(
        clock: Clock,
        filter: &Filter,
        checkpoint: &Anchor,
        (from, token): (Checkpoint, Option<Token>),
    ) -> Self {
        Self {
            clock,
            filter: filter.clone(),
            checkpoint: clock.moment(checkpoint),
            begin: clock.moment(&from.anchor),
            at: from,
            token,
            documents: BTreeMap::new(),
            room: 0,
            contents: HashMap::new(),
            catalog: HashMap::new(),
            written: HashSet::new(),
            created: HashMap::new(),
            indexes: EarlyIndexes::default(),
        }
    }

    /// Asks about a collection, and about a document in it if one is named. All is asked before anything is read.
    pub(super) fn ask_about(&mut self, ns: &Namespace, id: Option<&DocId>) {
        let traces = self.documents.entry(ns.clone()).or_default();
        traces.extend(id.map(|id| (id.clone(), Trace::default())));
    }

    /// Reads on as far as entries are there, or until they have touched so many documents. These are asked about.
    pub(super) async fn read_ahead(&mut self, most: usize, feed: &impl Feed) -> Result<(), RepairError> {
        self.room = most;
        while self.room > 0 && self.read_one(feed).await? {}
        self.room = 0;
        Ok(())
    }

    /// The documents that were asked about, or were touched by the entries that were read ahead.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&Namespace, Vec<DocId>)> {
        self.documents.iter().map(|(ns, traces)| (ns, traces.keys().cloned().collect()))
    }

    /// The collections of a target that have to be absent for the next command about them, by the target's names.
    pub(super) fn in_the_way(&self, actual: &BTreeMap<Namespace, Collection>) -> Vec<Namespace> {
        let in_the_way = |(ns, trace): (&Namespace, &Trace)| {
            let held = self.filter.map(ns)?;
            let is_absent = matches!(trace.after, Some((_, Next::Absent)));
            (is_absent && actual.get(&held).is_some_and(|it| !self.may_stay(ns, it))).then_some(held)
        };
        self.catalog.iter().filter_map(in_the_way).collect()
    }

    /// The indexes that a target has before the command that makes them, and with documents to come in between.
    pub(super) fn early_indexes(&self, actual: &BTreeMap<Namespace, Collection>) -> Vec<CatalogDifference> {
        self.indexes.of(&self.filter, actual)
    }

    /// Whether a collection is as the command makes it that creates it: a primary may have logged that twice.
    fn may_stay(&self, ns: &Namespace, actual: &Collection) -> bool {
        let is_new = |options: &CollectionOptions| options.is_like(&actual.options) && actual.indexes.is_empty();
        !actual.is_plain() && self.created.get(ns).is_some_and(is_new)
    }

    /// When the target's checkpoint was.
    pub(super) fn checkpoint(&self) -> Moment {
        self.checkpoint
    }

    /// Reads on up to a moment; whether the feed has come so far.
    pub(super) async fn read_until(
        &mut self,
        until: Moment,
        feed: &impl Feed,
        host: &impl Host,
    ) -> Result<bool, RepairError> {
        for _ in 0..LOOKS {
            while self.clock.moment(&self.at.anchor) < until && self.read_one(feed).await? {}
            if self.clock.moment(&self.at.anchor) >= until {
                return Ok(true);
            }
            host.sleep(PAUSE).await;
        }
        Ok(false)
    }

    /// Reads one batch; whether there was one.
    async fn read_one(&mut self, feed: &impl Feed) -> Result<bool, RepairError> {
        let fetch = feed.fetch(Some(self.at), self.token.as_ref(), Limits::default()).await?;
        let Some(batch) = fetch.batch else { return Ok(false) };
        batch.entries().iter().for_each(|entry| self.note(entry));
        self.at = Checkpoint { log: batch.log(), anchor: batch.last() };
        self.token = batch.token().cloned();
        Ok(true)
    }

    fn note(&mut self, entry: &Entry) {
        let anchor = entry.anchor();
        let (at, checkpoint) = (self.clock.moment(&anchor), self.checkpoint);
        if let Operation::Command(command) = entry.operation() {
            if at > checkpoint {
                self.indexes.note_command(command.action());
            }
            for ns in concerned(command.action(), &self.documents) {
                if let Some(next) = documents_need(command.action(), &ns, &self.filter) {
                    self.contents.entry(ns.clone()).or_default().note(at, &anchor, checkpoint, next);
                }
                if let Some(next) = structure_needs(command.action(), &ns, &self.filter) {
                    self.note_structure(ns, command.action(), next, (at, &anchor));
                }
            }
            return;
        }
        let operation = entry.operation();
        let (Some(ns), Some(next)) = (operation.namespace(), needs(operation)) else { return };
        if at > checkpoint {
            self.indexes.note_document(ns);
        }
        if at > checkpoint && !self.written.contains(ns) {
            self.written.insert(ns.clone());
        }
        let is_new = self.room > 0 && at > checkpoint && self.filter.map(ns).is_some();
        if !is_new && !self.documents.contains_key(ns) {
            return;
        }
        let Some(id) = operation.doc_id() else { return };
        let traces = self.documents.entry(ns.clone()).or_default();
        if let Some(trace) = traces.get_mut(&id) {
            trace.note(at, &anchor, checkpoint, next);
        } else if is_new {
            self.room -= 1;
            traces.entry(id).or_default().note(at, &anchor, checkpoint, next);
        }
    }

    fn note_structure(&mut self, ns: Namespace, action: &Action, next: Next, (at, anchor): (Moment, &Anchor)) {
        let trace = self.catalog.entry(ns.clone()).or_default();
        let is_first = at > self.checkpoint && trace.after.is_none();
        // One whose documents are all deleted first is not absent yet.
        let next = if next == Next::Absent && self.written.contains(&ns) { Next::Patched } else { next };
        trace.note(at, anchor, self.checkpoint, next);
        if let (true, Next::Absent, Action::Create { options, .. }) = (is_first, next, action) {
            self.created.insert(ns, options.clone());
        }
    }

    /// What a document has to be at the checkpoint, when the source has shown it as `document`, not as it was
    /// before the moment `since`, and not as it will be behind the entries that are known; `None` when that
    /// tells nothing.
    pub(super) fn expected(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        since: Moment,
    ) -> Option<Expected> {
        let own = self.documents.get(ns).and_then(|traces| traces.get(id)).copied().unwrap_or_default();
        let whole = self.contents.get(ns).copied().unwrap_or_default();
        let first = own.after.into_iter().chain(whole.after).min_by_key(|(at, _)| at.index);
        Some(match first {
            Some((_, Next::Absent)) => Expected::Exactly(None),
            Some((at, Next::Present)) => Expected::present(id, document, at),
            Some((at, Next::Patched)) => Expected::Unsettled(Unsettled::Patched { at }),
            Some((_, Next::Dropped)) => Expected::Anything,
            Some((at, Next::Moved)) => Expected::Unsettled(Unsettled::Command { at }),
            None if !self.is_known(own.before.max(whole.before), since) => return None,
            None => Expected::Exactly(document.cloned()),
        })
    }

    /// What a collection has to be at the checkpoint, when the source has shown it as `collection`: as for a
    /// document. What is there, `actual`, may stay where a command to come makes it the same once more.
    pub(super) fn wanted(
        &self,
        ns: &Namespace,
        collection: Option<Collection>,
        since: Moment,
        actual: Option<&Collection>,
    ) -> Option<Wanted> {
        let trace = self.catalog.get(ns).copied().unwrap_or_default();
        Some(match trace.after {
            Some((_, Next::Absent)) => Wanted::Exactly(actual.filter(|it| self.may_stay(ns, it)).cloned()),
            Some((_, Next::Dropped)) => Wanted::Anything,
            Some((at, _)) => Wanted::Unsettled(Unsettled::Command { at }),
            None if !self.is_known(trace.before, since) => return None,
            None => Wanted::Exactly(collection),
        })
    }

    /// Whether what was shown from the moment `since` on shows the last change before the checkpoint too.
    fn is_known(&self, before: Option<Moment>, since: Moment) -> bool {
        since >= self.begin && Some(since) >= before
    }
}

/// What an entry needs of its document.
fn needs(operation: &Operation) -> Option<Next> {
    match operation {
        Operation::Insert { .. } => Some(Next::Absent),
        Operation::Update { .. } | Operation::Delete { .. } => Some(Next::Present),
        Operation::Patch { .. } => Some(Next::Patched),
        Operation::Command(_) | Operation::Noop | Operation::NewTerm => None,
    }
}

/// The collections that a command concerns. There are few commands and few collections.
fn concerned(action: &Action, known: &BTreeMap<Namespace, HashMap<DocId, Trace>>) -> Vec<Namespace> {
    match action {
        Action::DropDatabase { database } => {
            known.keys().filter(|ns| ns.database() == database.as_str()).cloned().collect()
        }
        Action::Rename { ns, to, .. } => vec![ns.clone(), to.clone()],
        _ => action.namespace().cloned().into_iter().collect(),
    }
}

/// What a command needs of the documents of a collection that it concerns.
fn documents_need(action: &Action, ns: &Namespace, filter: &Filter) -> Option<Next> {
    let is_held = |ns: &Namespace| filter.map(ns).is_some();
    match action {
        Action::Drop { .. } => Some(Next::Dropped),
        // Of a database that is replicated in part it does nothing at the target.
        Action::DropDatabase { database } => {
            Some(if filter.is_whole(database.as_str()) { Next::Dropped } else { Next::Moved })
        }
        // One that goes where nothing is replicated is dropped; one that comes from there is copied anew.
        Action::Rename { ns: from, to, .. } => {
            let other = if from == ns { to } else { from };
            Some(if is_held(other) { Next::Moved } else { Next::Dropped })
        }
        Action::Create { .. } | Action::CreateIndexes { .. } | Action::DropIndexes { .. } | Action::Modify { .. } => {
            None
        }
    }
}

/// What a command needs of a collection that it concerns, its options and its indexes.
fn structure_needs(action: &Action, ns: &Namespace, filter: &Filter) -> Option<Next> {
    match action {
        Action::Create { .. } => Some(Next::Absent),
        Action::CreateIndexes { .. } | Action::DropIndexes { .. } | Action::Modify { .. } => Some(Next::Patched),
        Action::Rename { ns: from, to, drop_target } if to == ns && filter.map(from).is_some() => {
            Some(if *drop_target { Next::Dropped } else { Next::Absent })
        }
        _ => documents_need(action, ns, filter),
    }
}
