//! Mending what a comparison has found.

use oplogsync_core::{
    host::SystemHost,
    repair::{Outcome, Repair, RepairOptions, Repaired},
    verify::{CatalogDifference, Difference, Report},
};

#[cfg(feature = "mongo")]
use crate::commands::run::spool_failure;
use crate::{
    config::{Config, Role},
    failure::Failure,
    holder::holder,
    node::Node,
    upstream::Upstream,
};

/// What was done about the differences of one replica.
#[derive(Default)]
pub(super) struct Mended {
    /// About the documents.
    pub(super) documents: Vec<(Difference, Outcome)>,
    /// About the collections and indexes.
    pub(super) catalog: Vec<(CatalogDifference, Outcome)>,
    /// How many entries the replica has yet to apply.
    pub(super) behind: u64,
    /// Why not everything was tried.
    pub(super) failure: Option<Failure>,
}

impl Mended {
    /// Mends what a report about a replica names.
    pub(super) async fn of(config: &Config, primary: &Node, replica: &Node, report: &Report) -> Self {
        match mend(config, primary, replica, report).await {
            Ok(Repaired { documents, catalog, behind, failure, .. }) => {
                let failure = failure.map(|error| Failure::repair(error, replica.name()));
                Self { documents, catalog, behind, failure }
            }
            Err(failure) => Self { failure: Some(failure), ..Self::default() },
        }
    }

    /// Whether the replica is as it has to be at its checkpoint.
    pub(super) fn is_done(&self) -> bool {
        self.failure.is_none() && self.left() == 0
    }

    /// How many differences are not mended.
    pub(super) fn left(&self) -> usize {
        self.outcomes().filter(|outcome| !outcome.is_mended()).count()
    }

    /// How many differences there were.
    pub(super) fn len(&self) -> usize {
        self.outcomes().count()
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        let documents = self.documents.iter().map(|(_, outcome)| outcome);
        documents.chain(self.catalog.iter().map(|(_, outcome)| outcome))
    }
}

async fn mend(config: &Config, primary: &Node, replica: &Node, report: &Report) -> Result<Repaired, Failure> {
    let of_primary = |error| Failure::store(error, Role::Primary);
    let upstream = Upstream::choose(config, primary).await.map_err(of_primary)?;
    let of_repair = |error| Failure::repair(error, replica.name());
    let (feed, source) = upstream.open(config).await.map_err(of_primary)?;
    let options = RepairOptions { holder: holder(), filter: config.filter.clone(), ..RepairOptions::default() };
    let repair = Repair::new(replica.name(), &feed, &source, replica, &SystemHost, &options);
    #[cfg_attr(not(feature = "mongo"), expect(unused_mut, reason = "it is awaited twice where there is a spool"))]
    let mut repairing = Box::pin(repair.run(report));
    #[cfg(feature = "mongo")]
    if let Some(filler) = upstream.filler(config).await.map_err(of_primary)? {
        // What tells how far the source has come is then the spool, which nobody else fills now.
        let filling = Box::pin(filler.run(std::future::pending(), &()));
        tokio::select! {
            biased;
            repaired = &mut repairing => return repaired.map_err(of_repair),
            ended = filling => ended.map_err(|error| spool_failure(error, config))?,
        }
    }
    repairing.await.map_err(of_repair)
}
