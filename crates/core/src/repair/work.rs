//! [`Work`]: what is done under the lease.

mod collections;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{
    Outcome, Repair, RepairError, Repaired, Standing, Unsettled,
    expected::{Expected, Step, Wanted},
    history::{History, PAUSE},
    structure::Plan,
};
use crate::{
    catch_up::{Clock, Moment},
    command::Action,
    doc_id::DocId,
    document::Document,
    feed::Feed,
    host::Host,
    initial_sync::{SyncSource, SyncTarget},
    log::Log,
    namespace::Namespace,
    store_error::{Fault, StoreError},
    verify::{Difference, DifferenceKind},
};

/// Documents that are held at a time, of the source and of the target.
const CHUNK: usize = 16;
/// How many documents that entries to come touch are looked at.
const AHEAD: usize = 10_000;
/// How often a source that does not come to rest is looked at again.
const LOOKS: u32 = 10;

/// The work on one target.
pub(super) struct Work<'w, F, S, T, H> {
    repair: &'w Repair<'w, F, S, T, H>,
    history: History,
    wanted: BTreeMap<Namespace, Wanted>,
    /// What makes of collections what they are to be, or why that is not tried.
    plans: BTreeMap<Namespace, Result<Plan, Unsettled>>,
    /// Collections that the target does not make what they are to be.
    failed: BTreeMap<Namespace, Arc<StoreError>>,
}

impl<'w, F, S, T, H> Work<'w, F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Log + Clone,
    H: Host,
{
    /// Finds out what has to be.
    pub(super) async fn begin(
        repair: &'w Repair<'w, F, S, T, H>,
        standing: &Standing,
        repaired: &mut Repaired,
    ) -> Result<Self, RepairError> {
        let clock = repair.source.clock();
        let mut from = (standing.checkpoint, standing.token.clone());
        if clock == Clock::Index {
            // The documents of a primary can be behind its log, and so behind what a replica has applied.
            let start = repair.source.start().await?;
            if clock.moment(&start.checkpoint.anchor) < clock.moment(&standing.checkpoint.anchor) {
                from = (start.checkpoint, start.token);
            }
        }
        let filter = &repair.options.filter;
        let mut history = History::new(clock, filter, &standing.checkpoint.anchor, from);
        let documents = repaired.documents.iter().map(|(difference, _)| (&difference.ns, Some(&difference.id)));
        let catalog = repaired.catalog.iter().map(|(difference, _)| (&difference.ns, None));
        for (ns, id) in documents.chain(catalog) {
            if let Some(ns) = filter.origin(ns) {
                history.ask_about(&ns, id);
            }
        }
        history.read_ahead(AHEAD, repair.feed).await?;
        let (wanted, plans, failed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut work = Self { repair, history, wanted, plans, failed };
        work.look_at_collections_ahead(repaired).await?;
        work.look_at_documents_ahead(repaired).await?;
        repair.check_count((repaired.documents.len() + repaired.catalog.len()) as u64)?;
        Ok(work)
    }

    /// Finds the documents that the source and the target agree about now, and that the entries to come do not
    /// find as they need them.
    async fn look_at_documents_ahead(&mut self, repaired: &mut Repaired) -> Result<(), RepairError> {
        let known: HashSet<(Namespace, DocId)> =
            repaired.documents.iter().map(|(difference, _)| (difference.ns.clone(), difference.id.clone())).collect();
        let mut ahead = Vec::new();
        for (ns, ids) in self.history.documents() {
            let Some(ns) = self.repair.options.filter.map(ns) else { continue };
            let new = ids.into_iter().map(|id| (ns.clone(), id)).filter(|key| !known.contains(key));
            ahead.extend(new.map(|(ns, id)| (0, ns, id)));
        }
        for same in ahead.chunk_by(|(_, a, _), (_, b, _)| a == b) {
            for chunk in same.chunks(CHUNK) {
                for ((_, ns, id), (step, is_there)) in chunk.iter().zip(self.steps(chunk).await?) {
                    let kind = match (step, is_there) {
                        (Step::Make(Some(_), _), true) => DifferenceKind::Changed,
                        (Step::Make(None, _), _) => DifferenceKind::Extra,
                        (
                            Step::Make(Some(_), _) | Step::Leave(Outcome::Unsettled(Unsettled::Patched { .. })),
                            false,
                        ) => DifferenceKind::Missing,
                        _ => continue,
                    };
                    let difference = Difference { ns: ns.clone(), id: id.clone(), kind };
                    repaired.documents.push((difference, Outcome::NotTried));
                }
            }
        }
        Ok(())
    }

    /// Mends everything, and looks at it again.
    pub(super) async fn run(mut self, repaired: &mut Repaired) -> Result<(), RepairError> {
        self.make_collections(|plan| &plan.before).await?;
        // Deletions first: they may leave room in a unique index.
        for kind in [DifferenceKind::Extra, DifferenceKind::Changed, DifferenceKind::Missing] {
            self.mend_documents(repaired, |difference, outcome| difference == kind && is_untried(outcome)).await?;
        }
        // One document may have stood in the way of another.
        let mut failed = usize::MAX;
        loop {
            let left = repaired.documents.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
            if left == 0 || left >= failed {
                break;
            }
            failed = left;
            self.mend_documents(repaired, |_, outcome| matches!(outcome, Outcome::Failed(_))).await?;
        }
        self.make_collections(|plan| &plan.after).await?;
        self.look_at_collections(repaired).await?;
        self.look_at_documents(repaired).await
    }

    /// Mends the documents that are chosen by their kind and by what was done about them.
    async fn mend_documents(
        &mut self,
        repaired: &mut Repaired,
        choose: impl Fn(DifferenceKind, &Outcome) -> bool,
    ) -> Result<(), RepairError> {
        let mut chosen = Vec::new();
        for (place, (difference, outcome)) in repaired.documents.iter().enumerate() {
            if choose(difference.kind, outcome) {
                chosen.push((place, difference.ns.clone(), difference.id.clone()));
            }
        }
        for same in chosen.chunk_by(|(_, a, _), (_, b, _)| a == b) {
            for chunk in same.chunks(CHUNK) {
                let steps = self.steps(chunk).await?;
                for ((place, ns, id), (step, _)) in chunk.iter().zip(steps) {
                    let Some(outcome) = repaired.documents.get_mut(*place) else { continue };
                    outcome.1 = match (self.take(ns, id, step).await?, outcome.0.kind) {
                        // It went with its collection.
                        (Outcome::Right | Outcome::Unsettled(_), DifferenceKind::Extra) if self.is_dropped(ns) => {
                            Outcome::Removed
                        }
                        (done, _) => done,
                    };
                }
            }
        }
        Ok(())
    }

    /// Whether the collection that was there was dropped.
    fn is_dropped(&self, ns: &Namespace) -> bool {
        let drops = |plan: &Plan| plan.before.iter().any(|action| matches!(action, Action::Drop { .. }));
        self.plans.get(ns).is_some_and(|plan| plan.as_ref().is_ok_and(drops)) && !self.failed.contains_key(ns)
    }

    /// What is to be done about some documents of one collection, and whether they are there.
    async fn steps(&mut self, chunk: &[(usize, Namespace, DocId)]) -> Result<Vec<(Step, bool)>, RepairError> {
        let Some((_, ns, _)) = chunk.first() else { return Ok(Vec::new()) };
        let ids: Vec<DocId> = chunk.iter().map(|(_, _, id)| id.clone()).collect();
        let expected = self.expected(ns, &ids).await?;
        let current = self.repair.target.get(ns, &ids).await?;
        let step =
            |(expected, current): (Expected, Option<Document>)| (expected.step(current.as_ref()), current.is_some());
        Ok(expected.into_iter().zip(current).map(step).collect())
    }

    async fn take(&self, ns: &Namespace, id: &DocId, step: Step) -> Result<Outcome, RepairError> {
        let (document, outcome) = match step {
            Step::Leave(outcome) => return Ok(outcome),
            Step::Make(document, outcome) => (document, outcome),
        };
        match self.repair.target.mend(ns, id, document.as_ref(), self.repair.owner).await {
            Ok(()) => Ok(outcome),
            Err(error) if is_refusal(&error) => Ok(Outcome::Failed(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// What documents have to be at the checkpoint.
    async fn expected(&mut self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Expected>, RepairError> {
        let all = |expected: Expected| Ok(vec![expected; ids.len()]);
        let Some(origin) = self.repair.options.filter.origin(ns) else { return all(Expected::Exactly(None)) };
        if let Some(Wanted::Exactly(Some(wanted))) = self.wanted.get(ns)
            && wanted.options.is_view()
        {
            return all(Expected::Exactly(None));
        }
        let source = self.repair.source;
        if source.clock() == Clock::OpTime {
            let at = self.history.checkpoint();
            let got = source.get(&origin, ids, Some(at)).await?;
            if got.at == at {
                return Ok(got.documents.into_iter().map(Expected::Exactly).collect());
            }
        }
        for _ in 0..LOOKS {
            let since = self.since().await?;
            let got = source.get(&origin, ids, None).await?;
            let (since, until) = match since {
                Some(since) => (since, source.now().await?),
                None => (got.at, got.at),
            };
            if self.read_until(until).await? {
                let documents = ids.iter().zip(&got.documents);
                let found =
                    documents.map(|(id, document)| self.history.expected(&origin, id, document.as_ref(), since));
                if let Some(found) = found.collect::<Option<Vec<_>>>() {
                    return Ok(found);
                }
            }
            self.repair.host.sleep(PAUSE).await;
        }
        all(Expected::Unsettled(Unsettled::Restless))
    }

    /// A moment that the documents of a source without snapshots are not behind.
    async fn since(&self) -> Result<Option<Moment>, RepairError> {
        let source = self.repair.source;
        if source.clock() == Clock::OpTime {
            return Ok(None);
        }
        Ok(Some(source.clock().moment(&source.start().await?.checkpoint.anchor)))
    }

    async fn read_until(&mut self, until: Moment) -> Result<bool, RepairError> {
        self.history.read_until(until, self.repair.feed, self.repair.host).await
    }

    /// Looks again at the documents that were mended.
    async fn look_at_documents(&mut self, repaired: &mut Repaired) -> Result<(), RepairError> {
        let mut done = Vec::new();
        for (place, (difference, outcome)) in repaired.documents.iter().enumerate() {
            if outcome.is_done() {
                done.push((place, difference.ns.clone(), difference.id.clone()));
            }
        }
        for same in done.chunk_by(|(_, a, _), (_, b, _)| a == b) {
            for chunk in same.chunks(CHUNK) {
                let steps = self.steps(chunk).await?;
                for ((place, ..), (step, _)) in chunk.iter().zip(steps) {
                    if let (Some((_, outcome)), Step::Make(..)) = (repaired.documents.get_mut(*place), step) {
                        *outcome = Outcome::Again;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_untried(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTried)
}

/// Whether the target has refused this one thing, and may take another.
fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error.fault(),
        Fault::Rejected { .. }
            | Fault::Unexpected
            | Fault::Occupied { .. }
            | Fault::Outside { .. }
            | Fault::Incompatible
    )
}
