//! What a store holds of the writes that wait: entries of earlier tries, and the documents that
//! the writes name.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{Job, Task, evaluate::named_id};
use crate::{
    doc_id::DocId,
    document::Document,
    documents::Documents,
    ids::OpId,
    limits::Limits,
    log::Log,
    namespace::Namespace,
    store_error::StoreError,
    write::{Outcome, Written},
};

/// Documents by where they are; `None` for one that does not exist.
pub(super) type Current = HashMap<(Namespace, DocId), Option<Document>>;

/// The retried jobs that the log holds already.
pub(super) async fn find_repeated<S: Log>(
    store: &S,
    jobs: &VecDeque<Job>,
) -> Result<HashMap<OpId, Written>, StoreError> {
    let mut repeated = HashMap::new();
    for job in jobs.iter().filter(|job| job.retried) {
        if let Some(position) = store.find(job.op_id).await?
            && let Some(entry) = store.read(position.index, Limits { entries_max: 1, bytes_max: 1 }).await?.first()
            // Once it is trimmed away, another one comes first.
            && entry.op_id() == job.op_id
        {
            let (id, entry) = (entry.operation().doc_id(), Some((entry.position(), entry.optime())));
            repeated.insert(job.op_id, Written { id, outcome: Outcome::Repeated, op_id: job.op_id, entry });
        }
    }
    Ok(repeated)
}

/// Up to which index the log is trimmed, if any of the jobs has been sealed before: an entry at or
/// below it may have been that job's.
pub(super) async fn trimmed_up_to<S: Log>(store: &S, jobs: &VecDeque<Job>) -> Result<u64, StoreError> {
    if jobs.iter().all(|job| job.sealed_at == 0) {
        return Ok(0);
    }
    Ok(store.log_ends().await?.map_or(0, |ends| ends.floor.position.index))
}

/// The documents that the jobs name, as they are now.
pub(super) async fn read_current<S: Documents>(store: &S, jobs: &VecDeque<Job>) -> Result<Current, StoreError> {
    let mut wanted: BTreeMap<&Namespace, Vec<DocId>> = BTreeMap::new();
    for job in jobs {
        if let Task::Write(write) = &job.task
            && let Some(id) = named_id(write)
        {
            wanted.entry(write.namespace()).or_default().push(id);
        }
    }
    let mut current = Current::new();
    for (ns, mut ids) in wanted {
        ids.sort_unstable();
        ids.dedup();
        let documents = store.get(ns, &ids).await?;
        current.extend(ids.into_iter().map(|id| (ns.clone(), id)).zip(documents));
    }
    Ok(current)
}
