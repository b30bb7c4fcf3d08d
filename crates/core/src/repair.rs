//! [`Repair`]: mends single differences of a target, without a new initial sync.
//!
//! A target's documents are the fold of a log up to its checkpoint. So a document that is mended gets what
//! it has to be *there*, or the entries that follow would not fit: what the source holds now is right only if
//! no entry behind the checkpoint has changed it. A source with snapshots tells what it was; for any other
//! the entries since the checkpoint tell whether it has changed, and if so what the next one needs.

mod early_indexes;
mod error;
mod expected;
mod history;
mod outcome;
mod structure;
mod work;

use std::time::Duration;

use self::work::Work;
pub use self::{
    error::{RepairError, Unsettled},
    outcome::{Outcome, Repaired},
};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Token},
    entry::{Entry, Operation},
    feed::Feed,
    filter::Filter,
    host::Host,
    ids::OwnerId,
    initial_sync::{State, SyncSource, SyncTarget},
    lease::{HeldLease, LEASE_TERM, Lease, LeaseName},
    limits::Limits,
    log::Log,
    progress::Progress,
    verify::Report,
};

/// How a [`Repair`] works.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// Who this process is, for people who meet its lease: host and process id.
    pub holder: String,
    /// What is replicated, and under which names: as it was compared.
    pub filter: Filter,
    /// How many documents, collections and indexes may differ: a target that differs in more is to be
    /// synced anew.
    pub differences_max: usize,
    /// How long the target's lease lives without a renewal.
    pub lease_term: Duration,
}

impl Default for RepairOptions {
    /// Everything, a thousand differences.
    fn default() -> Self {
        Self {
            holder: "oplogsync".to_owned(),
            filter: Filter::everything(),
            differences_max: 1000,
            lease_term: LEASE_TERM,
        }
    }
}

/// Mends what a comparison has found to differ at one target. It holds the target's lease meanwhile, so that
/// nothing is applied; the source may go on.
#[derive(Debug)]
pub struct Repair<'a, F, S, T, H> {
    name: &'a str,
    feed: &'a F,
    source: &'a S,
    target: &'a T,
    host: &'a H,
    options: &'a RepairOptions,
    owner: OwnerId,
}

/// Where a target stands.
struct Standing {
    checkpoint: Checkpoint,
    token: Option<Token>,
    behind: u64,
}

impl<'a, F, S, T, H> Repair<'a, F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Log + Clone,
    H: Host,
{
    /// A repair of the target named `name`, which follows `feed` and was compared with what `source` holds.
    /// Nothing is read or written yet.
    pub fn new(
        name: &'a str,
        feed: &'a F,
        source: &'a S,
        target: &'a T,
        host: &'a H,
        options: &'a RepairOptions,
    ) -> Self {
        let owner = OwnerId::from_bytes(host.random());
        Self { name, feed, source, target, host, options, owner }
    }

    /// Mends what `report` names and is still different, and what would stop the entries that follow; looks at
    /// each of those again in the end. What becomes of one does not depend on the others, and all can be made
    /// again.
    ///
    /// # Errors
    /// [`RepairError`] when nothing was tried: among others when another process works on the target. What
    /// cuts it off later is in [`Repaired::failure`].
    pub async fn run(&self, report: &Report) -> Result<Repaired, RepairError> {
        self.check_count((report.differences.len() + report.catalog.len()) as u64 + report.more)?;
        let (host, term) = (self.host, self.options.lease_term);
        let mine = Lease { owner: self.owner, holder: self.options.holder.clone(), beat: 0 };
        let acquire = HeldLease::acquire(self.target.clone(), self.name, LeaseName::Documents, mine, host, term);
        let lease = acquire.await?;
        let mut repaired = Repaired::nothing_of(report);
        let result = tokio::select! {
            biased;
            result = self.mend(&mut repaired) => result,
            lost = lease.keep(host, term) => Err(lost.into()),
        };
        // One that is not given back lapses.
        let released = lease.release().await.map_err(RepairError::from);
        let nothing_tried = repaired.outcomes().all(|outcome| matches!(outcome, Outcome::NotTried));
        match result.and(released) {
            Err(error) if nothing_tried => Err(error),
            ended => Ok(Repaired { failure: ended.err(), ..repaired }),
        }
    }

    fn check_count(&self, found: u64) -> Result<(), RepairError> {
        let most = self.options.differences_max;
        if found <= most as u64 {
            return Ok(());
        }
        Err(RepairError::TooMany { target: self.name.to_owned(), found, most })
    }

    async fn mend(&self, repaired: &mut Repaired) -> Result<(), RepairError> {
        let standing = self.standing().await?;
        repaired.behind = standing.behind;
        Work::begin(self, &standing, repaired).await?.run(repaired).await
    }

    /// Where the target stands, if it can be mended.
    async fn standing(&self) -> Result<Standing, RepairError> {
        let target = || self.name.to_owned();
        if State::read(&self.target.notes().await?)?.is_some() {
            return Err(RepairError::Unsynced { target: target() });
        }
        let checkpoint =
            self.target.checkpoint().await?.ok_or_else(|| RepairError::NoCheckpoint { target: target() })?;
        if self.target.log_ends().await?.is_some_and(|own| own.log == checkpoint.log) {
            return Err(RepairError::Primary { node: target() });
        }
        let resume = self.target.resume().await?;
        if resume.filter != self.options.filter.id() {
            return Err(RepairError::OtherFilter { target: target() });
        }
        // The feed finds out whether the source is the one that was followed.
        let next = Limits { entries_max: 1, ..Limits::default() };
        let fetch = self.feed.fetch(Some(checkpoint), resume.token.as_ref(), next).await?;
        let first = fetch.batch.as_ref().and_then(|batch: &Batch| batch.entries().first());
        let is_command = |entry: &&Entry| matches!(entry.operation(), Operation::Command(_));
        if let Some(command) = first.filter(is_command)
            && self.target.unfinished().await?.is_some()
        {
            return Err(RepairError::Unfinished { target: target(), at: command.position() });
        }
        let behind = Progress::new(Some(checkpoint.anchor), fetch.head, fetch.floor).behind;
        Ok(Standing { checkpoint, token: resume.token, behind })
    }
}
