//! The same with a source that has snapshots, and tells changes as patches.

use bson::rawdoc;
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    filter::Filter,
    follower::{FollowError, Follower},
    initial_sync::SyncOptions,
    memory::MemoryStore,
    repair::{Repair, RepairError, RepairOptions, Repaired},
    replicator::ReplicatorOptions,
    testing::{
        chain::valid,
        documents::{id, namespace},
        foreign::Foreign,
        manual_host::ManualHost,
        model_source::{ModelSource, Seen},
        random::Random,
    },
    verify::compare,
};
use proptest::prelude::*;

use super::{
    bench::{AtHead, options},
    check_differences, renames,
};
use crate::{
    cluster::{Node, Nodes, Store, cases, on_every_store},
    verified::{Held, filters},
};

struct Mirror<S: Store> {
    source: ModelSource,
    target: Node<S>,
    host: ManualHost,
    filter: Filter,
}

impl<S: Store> Mirror<S> {
    /// Follows until the target is at the head.
    async fn follow(&self) -> Result<(), FollowError> {
        let at_head = AtHead::default();
        self.follower().run(at_head.0.notified(), &at_head).await
    }

    fn follower(&self) -> Follower<ModelSource, ModelSource, S, ManualHost> {
        let (source, target, host) = (self.source.clone(), self.target.inner().clone(), self.host.clone());
        let options = ReplicatorOptions { filter: self.filter.clone(), ..ReplicatorOptions::default() };
        Follower::new("target", source.clone(), source, target, host, options, SyncOptions::default())
    }

    /// Compares the target with what the source holds, and mends it.
    async fn repair(&self) -> Result<Repaired, RepairError> {
        let now = MemoryStore::new("now");
        fill(&now, self.source.seen()).await;
        let report = compare(&now, self.target.inner(), &self.host, options(&self.filter)).await.unwrap();
        let options = RepairOptions { filter: self.filter.clone(), ..RepairOptions::default() };
        let (source, target) = (&self.source, &self.target);
        Repair::new("target", source, source, target, &self.host, &options).run(&report).await
    }

    async fn check_checkpoint(&self) -> bool {
        let target = self.target.inner();
        let at = target.checkpoint().await.unwrap().unwrap().anchor.optime;
        let reference = MemoryStore::new("reference");
        fill(&reference, self.source.seen_at(at)).await;
        let differences = Held::by(&reference).await.behind(&self.filter).differences(&Held::by(target).await);
        let operations = self.source.operations();
        let rest = || operations.iter().filter(|(optime, _)| *optime > at).map(|(_, operation)| operation);
        if renames(rest()) {
            return false;
        }
        check_differences(differences, &self.filter, rest);
        true
    }
}

async fn fill(store: &MemoryStore, seen: Seen) {
    for (ns, (collection, documents)) in seen {
        let options = collection.options;
        Foreign(store).run(&Action::Create { ns: ns.clone(), options }).await;
        if !collection.indexes.is_empty() {
            Foreign(store).run(&Action::CreateIndexes { ns: ns.clone(), indexes: collection.indexes }).await;
        }
        for document in documents.into_values() {
            store.put_foreign_document(&ns, document);
        }
    }
}

/// Changes a target beside oplogsync, wherever its source may write too.
async fn disturb(target: &impl oplogsync_core::initial_sync::SyncTarget, random: &mut Random, filter: &Filter) {
    let mut pick = |from: u64| usize::try_from(random.below(from)).unwrap();
    let ns = namespace(["a", "b", "c", "d"][pick(4)]);
    let ns = filter.map(&ns).unwrap_or(ns);
    let (number, foreign) = (i32::try_from(pick(14)).unwrap(), Foreign(target));
    let index = Index::new(&rawdoc! { "v": 2, "key": { "n": -1 }, "name": format!("n_{}", pick(3)) }).unwrap();
    let options = CollectionOptions::new(&rawdoc! { "validator": { "n": 7 } }).unwrap();
    match pick(12) {
        0 => foreign.run(&Action::Drop { ns }).await,
        1 => foreign.run(&Action::Create { ns, options }).await,
        2 => foreign.run(&Action::CreateIndexes { ns, indexes: vec![index] }).await,
        3 => foreign.run(&Action::DropIndexes { ns, names: vec![index.name().to_owned()] }).await,
        4..=7 => foreign.delete(&ns, &id(number)).await,
        _ => foreign.put(&ns, &valid(rawdoc! { "_id": number, "foreign": true })).await,
    }
}

async fn a_repaired_mirror_goes_on<N: Nodes>(seed: u64, writes: usize, changes: usize, filter: Filter) {
    let mut random = Random::new(seed);
    let source = ModelSource::new(seed, writes);
    let mirror = Mirror::<N::Store> { source, target: N::node("target"), host: ManualHost::hurried(seed), filter };
    mirror.follow().await.unwrap();
    for _ in 0..changes {
        disturb(mirror.target.inner(), &mut random, &mirror.filter).await;
    }
    let mut last = None;
    for round in 1.. {
        assert!(round < 200, "it is never mended: {last:?}");
        let is_calm = round > 6;
        if round == 6 {
            mirror.source.finish();
        }
        if !is_calm {
            mirror.target.die_after(random.below(60), random.below(2) == 0);
        }
        let repaired = mirror.repair().await;
        mirror.target.revive();
        let is_mended = repaired.as_ref().is_ok_and(Repaired::is_mended);
        let goes_on = is_mended && mirror.check_checkpoint().await;
        // One that could not be mended may stop.
        let followed = mirror.follow().await;
        if let Err(error) = followed {
            assert!(!goes_on, "{error}: {error:?} after {repaired:?}");
            // What stops in the middle of a copy is mended by a new one only.
            if matches!(repaired, Err(RepairError::Unsynced { .. })) {
                mirror.follower().request_copy().await.unwrap();
            }
            last = Some((repaired, Some(error)));
            continue;
        }
        if is_calm && is_mended {
            break;
        }
        last = Some((repaired, None));
    }
    let now = MemoryStore::new("now");
    fill(&now, mirror.source.seen()).await;
    let report = compare(&now, mirror.target.inner(), &mirror.host, options(&mirror.filter)).await.unwrap();
    assert!(report.is_equal(), "{report:?}");
}

/// The filters that leave something of what the model writes.
fn some() -> impl Strategy<Value = Filter> {
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let moved = [("shop.a".to_owned(), "other.z".to_owned())];
    let renamed = Filter::new(&text(&["shop"]), &text(&["shop.b"]), &moved).unwrap();
    prop_oneof![filters(), Just(renamed)]
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_repaired_mirror_is_as_its_source_was_at_the_checkpoint_and_goes_on_without_drift(
        seed: u64, writes in 10..80_usize, changes in 1..12_usize, filter in some(),
    ) {
        on_every_store!(a_repaired_mirror_goes_on(seed, writes, changes, filter));
    }
}
