//! The collections of [`Work`]: their options and indexes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{LOOKS, Work, is_refusal};
use crate::{
    catalog::Collection,
    command::Action,
    feed::Feed,
    host::Host,
    initial_sync::{SyncSource, SyncTarget},
    log::Log,
    namespace::Namespace,
    repair::{Outcome, RepairError, Repaired, Unsettled, expected::Wanted, history::PAUSE, structure::Plan},
    verify::{CatalogDifference, DifferenceKind, as_held, differences},
};

impl<F, S, T, H> Work<'_, F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Log + Clone,
    H: Host,
{
    /// Finds out what the collections have to be, and which ones would stop the entries that follow.
    pub(super) async fn look_at_collections_ahead(&mut self, repaired: &mut Repaired) -> Result<(), RepairError> {
        let actual = self.actual().await?;
        let in_the_way = self.history.in_the_way(&actual).into_iter();
        let in_the_way = in_the_way.map(|ns| CatalogDifference { ns, index: None, kind: DifferenceKind::Extra });
        for ahead in in_the_way.chain(self.history.early_indexes(&actual)) {
            let is_new = |known: &CatalogDifference| (&known.ns, &known.index) != (&ahead.ns, &ahead.index);
            if repaired.catalog.iter().all(|(known, _)| is_new(known)) {
                repaired.catalog.push((ahead, Outcome::NotTried));
            }
        }
        let names: BTreeSet<Namespace> = repaired.catalog.iter().map(|(difference, _)| difference.ns.clone()).collect();
        if !names.is_empty() {
            self.wanted = self.wanted_collections(&names, &actual).await?;
        }
        for (ns, wanted) in &self.wanted {
            let plan = match wanted {
                Wanted::Exactly(wanted) => Plan::new(ns, wanted.as_ref(), actual.get(ns)),
                Wanted::Anything => Ok(Plan::default()),
                Wanted::Unsettled(why) => Err(*why),
            };
            self.plans.insert(ns.clone(), plan);
        }
        Ok(())
    }

    /// What the collections have to be at the checkpoint.
    async fn wanted_collections(
        &mut self,
        names: &BTreeSet<Namespace>,
        actual: &BTreeMap<Namespace, Collection>,
    ) -> Result<BTreeMap<Namespace, Wanted>, RepairError> {
        let mut wanted = BTreeMap::new();
        for _ in 0..LOOKS {
            let since = self.since().await?;
            let listing = self.repair.source.list().await?;
            let since = since.unwrap_or(listing.at);
            let known = self.read_until(listing.until).await?;
            for ns in names {
                let origin = self.repair.options.filter.origin(ns);
                let found = origin.map_or(Some(Wanted::Exactly(None)), |origin| {
                    let listed = listing.collections.iter().find(|listed| listed.collection.ns == origin);
                    let collection = listed.map(|listed| as_held(ns.clone(), &listed.collection));
                    self.history.wanted(&origin, collection, since, actual.get(ns)).filter(|_| known)
                });
                wanted.insert(ns.clone(), found.unwrap_or(Wanted::Unsettled(Unsettled::Restless)));
            }
            if wanted.values().all(|found| *found != Wanted::Unsettled(Unsettled::Restless)) {
                break;
            }
            self.repair.host.sleep(PAUSE).await;
        }
        Ok(wanted)
    }

    /// The collections that the target holds.
    async fn actual(&self) -> Result<BTreeMap<Namespace, Collection>, RepairError> {
        let target = self.repair.target;
        let plain = target.namespaces().await?.into_iter().map(|ns| (ns.clone(), Collection::plain(ns)));
        let mut actual: BTreeMap<_, _> = plain.collect();
        let listed = target.collections().await?.into_iter().filter(|collection| !collection.is_plain());
        actual.extend(listed.map(|collection| (collection.ns.clone(), collection)));
        Ok(actual)
    }

    /// Takes one part of what is planned for each.
    pub(super) async fn make_collections(&mut self, part: impl Fn(&Plan) -> &Vec<Action>) -> Result<(), RepairError> {
        for (ns, plan) in &self.plans {
            let Ok(plan) = plan else { continue };
            for action in part(plan) {
                if self.failed.contains_key(ns) {
                    break;
                }
                match self.repair.target.run(action, self.repair.owner).await {
                    Err(error) if is_refusal(&error) => drop(self.failed.insert(ns.clone(), error.into())),
                    made => made?,
                }
            }
        }
        Ok(())
    }

    /// Says what has become of the collections.
    pub(super) async fn look_at_collections(&mut self, repaired: &mut Repaired) -> Result<(), RepairError> {
        if repaired.catalog.is_empty() {
            return Ok(());
        }
        let actual = self.actual().await?;
        for (difference, outcome) in &mut repaired.catalog {
            *outcome = self.outcome_of(difference, actual.get(&difference.ns));
        }
        Ok(())
    }

    fn outcome_of(&self, difference: &CatalogDifference, actual: Option<&Collection>) -> Outcome {
        let ns = &difference.ns;
        let (plan, wanted) = match (self.plans.get(ns), self.wanted.get(ns)) {
            (Some(Err(why)), _) | (_, Some(Wanted::Unsettled(why))) => return Outcome::Unsettled(*why),
            (Some(Ok(plan)), Some(Wanted::Exactly(wanted))) => (plan, wanted.as_ref()),
            (_, Some(Wanted::Anything)) => return Outcome::Right,
            (None, _) | (_, None) => return Outcome::NotTried,
        };
        let is_whole = |it: &CatalogDifference| it.index.is_none() && it.kind != DifferenceKind::Changed;
        let is_this = |left: &CatalogDifference| {
            is_whole(left)
                || left.index == difference.index
                || difference.kind == DifferenceKind::Missing && is_whole(difference)
        };
        let is_left = differences(ns, wanted, actual).iter().any(is_this);
        match (is_left, self.failed.get(ns)) {
            (true, Some(error)) => Outcome::Failed(Arc::clone(error)),
            (true, None) => Outcome::Again,
            (false, _) if plan.is_empty() => Outcome::Right,
            (false, _) if difference.kind == DifferenceKind::Extra => Outcome::Removed,
            (false, _) => Outcome::Put,
        }
    }
}
