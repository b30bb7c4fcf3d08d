//! Retention: how much of a log is kept.

use std::time::{Duration, SystemTime};

use crate::{
    clock::OpTime,
    documents::Documents,
    limits::Limits,
    log::{Log, LogEnds},
    planted::{Bug, is_planted},
    position::Anchor,
    store_error::StoreError,
};

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// What is younger than `age`, and everything that a registered replica has not acknowledged.
    /// Without registered replicas nothing is trimmed.
    UntilAcknowledged {
        /// The least age of what is trimmed.
        age: Duration,
    },
    /// What is younger than `age`. A replica that falls behind it is too stale, and says so.
    Bounded {
        /// The least age of what is trimmed.
        age: Duration,
    },
}

/// Trims a primary's log as far as `retention` permits; returns the new floor, if it has moved.
///
/// Never beyond what the primary's own documents have applied: the log is their redo log.
///
/// # Errors
/// [`StoreError`] when the store cannot be read or written.
pub async fn trim<S: Log + Documents>(
    store: &S,
    retention: Retention,
    now: SystemTime,
) -> Result<Option<Anchor>, StoreError> {
    let Some(applied) = store.checkpoint().await? else { return Ok(None) };
    let mut until = applied.anchor.position.index;
    let (Retention::UntilAcknowledged { age } | Retention::Bounded { age }) = retention;
    if matches!(retention, Retention::UntilAcknowledged { .. }) && !is_planted(Bug::RetentionForgetsReplicas) {
        let slowest = store.acknowledgements().await?.iter().map(|one| one.at.position.index).min();
        until = until.min(slowest.unwrap_or(0));
    }
    trim_up_to(store, until, age, now).await
}

/// [`trim`] for a spool: a log whose entries come from elsewhere, no documents beside it depend on it, and
/// only `replicas` read it. Trims what is older than `age` and what all of them have acknowledged; nothing
/// while one of them never has.
///
/// What others once acknowledged counts for nothing: a replica that was renamed or given up would hold the
/// spool for ever. In a primary's log it does count: its replicas may be configured elsewhere.
///
/// # Errors
/// [`StoreError`] when the store cannot be read or written.
pub async fn trim_spool<L: Log>(
    spool: &L,
    replicas: &[&str],
    age: Duration,
    now: SystemTime,
) -> Result<Option<Anchor>, StoreError> {
    let known = spool.acknowledgements().await?;
    let reached = |name: &&str| known.iter().find(|one| one.replica == **name).map(|one| one.at.position.index);
    let slowest = replicas.iter().map(|name| reached(name).unwrap_or(0)).min();
    trim_up_to(spool, slowest.unwrap_or(0), age, now).await
}

async fn trim_up_to<L: Log>(
    store: &L,
    until: u64,
    age: Duration,
    now: SystemTime,
) -> Result<Option<Anchor>, StoreError> {
    let Some(ends) = store.log_ends().await? else { return Ok(None) };
    let until = until.min(ends.head.position.index);
    let cutoff = OpTime::from_wall(now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
    match last_before(store, &ends, until, cutoff).await? {
        Some(floor) if floor.position.index > ends.floor.position.index => {
            store.trim(&floor).await?;
            Ok(Some(floor))
        }
        _ => Ok(None),
    }
}

/// The newest entry at or below index `until` that is older than `cutoff`: optimes rise with the
/// index, so it is found by halving.
async fn last_before<S: Log>(
    store: &S,
    ends: &LogEnds,
    until: u64,
    cutoff: OpTime,
) -> Result<Option<Anchor>, StoreError> {
    let (mut low, mut high) = (ends.floor.position.index, until);
    let mut found = None;
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let entries = store.read(middle, Limits { entries_max: 1, bytes_max: 1 }).await?;
        match entries.first() {
            // Behind a rival's trim another entry comes first: it may be one that is still needed.
            Some(entry) if entry.position().index == middle && entry.optime() < cutoff => {
                found = Some(entry.anchor());
                low = middle;
            }
            _ => high = middle - 1,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
