//! [`Committer`]: appends the writes that wait as one group, and applies them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use bson::oid::ObjectId;

use crate::{
    batch::Batch,
    clock::OpTime,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    entry::{Entry, Operation},
    host::Host,
    ids::OpId,
    lease::Leases,
    log::{Appended, Log},
    namespace::Namespace,
    position::Anchor,
    retry::{Decision, backoff, decide_store},
    store_error::StoreError,
    write::{Outcome, Written},
};

use super::{
    Desk, Job, PrimaryError, WriteError,
    evaluate::{evaluate, named_id},
    seat::Seat,
};

/// How often a request that fails in passing is made before the callers are told.
const TRIES: u32 = 5;

/// Commits for all callers, one group after the other. Everything that a group needs is kept
/// here across awaits, so that the next caller finishes it when this one goes away in the middle.
#[derive(Debug)]
pub(super) struct Committer<S> {
    seat: Option<Seat<S>>,
    /// Jobs that were taken from the queue and not answered yet.
    taken: VecDeque<Job>,
    /// Entries that were sealed for jobs and perhaps appended.
    group: Option<Group>,
}

/// Sealed entries and the jobs that wait for them.
#[derive(Debug)]
struct Group {
    after: Anchor,
    entries: Vec<Entry>,
    planned: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    job: Job,
    written: Written,
    /// Which entry of the group records it.
    entry: usize,
}

impl<S: Log + Documents + Leases + Clone> Committer<S> {
    pub(super) async fn open<H: Host>(desk: &Desk<S, H>) -> Result<Self, PrimaryError> {
        Ok(Self { seat: Some(Seat::take(desk).await?), taken: VecDeque::new(), group: None })
    }

    /// Commits one group: the one that was left unfinished, or a new one of what waits.
    pub(super) async fn commit<H: Host>(&mut self, desk: &Desk<S, H>) {
        if self.group.is_none() {
            if self.taken.is_empty() {
                self.taken = desk.take_jobs();
            }
            if let Err(error) = self.plan(desk).await {
                self.seat = None;
                let error = Arc::new(error);
                for job in self.taken.drain(..) {
                    let (op_id, source) = (job.op_id, Arc::clone(&error));
                    // An earlier try of a retried write may be in the log.
                    let unknown = job.retried;
                    job.answer(Err(if unknown {
                        WriteError::Unknown { op_id, source }
                    } else {
                        WriteError::NotBegun(source)
                    }));
                }
            }
        }
        self.append_group(desk).await;
    }

    /// Finishes what is begun and gives the leases back.
    pub(super) async fn close<H: Host>(mut self, desk: &Desk<S, H>) -> Result<(), PrimaryError> {
        while self.group.is_some() || !self.taken.is_empty() {
            self.commit(desk).await;
        }
        match self.seat.take() {
            Some(seat) => Ok(seat.release().await?),
            None => Ok(()),
        }
    }

    /// Evaluates the jobs that were taken, in order, and seals their entries.
    async fn plan<H: Host>(&mut self, desk: &Desk<S, H>) -> Result<(), PrimaryError> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let seat = match self.seat.take() {
            Some(seat) if seat.keep(desk).await.is_ok() => seat,
            // A lease that was lost is taken again, and everything is read again.
            _ => Seat::take(desk).await?,
        };
        let seat = self.seat.insert(seat);
        let repeated = find_repeated(&desk.store, &self.taken).await?;
        let mut documents = read_current(&desk.store, &self.taken).await?;
        let mut group = Group { after: seat.head, entries: Vec::new(), planned: Vec::new() };
        let mut sealed: HashMap<OpId, usize> = HashMap::new();
        for job in self.taken.drain(..) {
            if let Some(written) = repeated.get(&job.op_id) {
                job.answer(Ok(written.clone()));
                continue;
            }
            if let Some(&entry) = sealed.get(&job.op_id) {
                group.plan_again(job, entry);
                continue;
            }
            let now = seat.clock.tick(desk.host.now());
            let key = named_id(&job.write).map(|id| (job.write.namespace().clone(), id));
            let current = key.as_ref().and_then(|key| documents.get(key)).and_then(Option::as_ref);
            match evaluate(&job.write, current, new_object_id(now, desk.host.random()), now) {
                Err(refused) => job.answer(Err(refused.into())),
                Ok(evaluated) => {
                    let mut written =
                        Written { id: evaluated.id, outcome: evaluated.outcome, op_id: job.op_id, entry: None };
                    let Some(operation) = evaluated.operation else {
                        job.answer(Ok(written));
                        continue;
                    };
                    if !seat.term_begun {
                        seat.term_begun = true;
                        group.seal(
                            seat.clock.tick(desk.host.now()),
                            OpId::from_bytes(desk.host.random()),
                            Operation::NewTerm,
                        );
                    }
                    remember(&mut documents, &operation);
                    let optime = seat.clock.tick(desk.host.now());
                    let entry = group.seal(optime, job.op_id, operation);
                    written.entry = group.entries.get(entry).map(|entry| (entry.position(), entry.optime()));
                    sealed.insert(job.op_id, entry);
                    group.planned.push(Planned { job, written, entry });
                }
            }
        }
        if !group.entries.is_empty() {
            self.group = Some(group);
        }
        Ok(())
    }

    /// Appends the group, applies it, and answers its jobs.
    async fn append_group<H: Host>(&mut self, desk: &Desk<S, H>) {
        let Some(group) = &self.group else { return };
        let appended = retry(desk, || desk.store.append(&group.entries)).await;
        let count = match appended {
            Ok(Appended::All) => group.entries.len(),
            Ok(Appended::Beaten { count }) => count,
            Err(error) => {
                let error = Arc::new(PrimaryError::Store(error));
                self.seat = None;
                for planned in self.group.take().into_iter().flat_map(|group| group.planned) {
                    let op_id = planned.job.op_id;
                    planned.job.answer(Err(WriteError::Unknown { op_id, source: Arc::clone(&error) }));
                }
                return;
            }
        };
        let applied = self.apply_group(desk, count).await;
        if let Some(group) = self.group.take() {
            self.answer_group(desk, group, count, &applied);
        }
    }

    /// Brings the primary's own documents up to the first `count` entries of the group.
    async fn apply_group<H: Host>(&mut self, desk: &Desk<S, H>, count: usize) -> Result<(), Arc<PrimaryError>> {
        let Some(group) = &self.group else { return Ok(()) };
        if count == group.entries.len()
            && let Some(seat) = &mut self.seat
        {
            let batches = Batch::split(seat.log, group.after, group.entries.iter().cloned(), desk.options.limits);
            let batches = batches.map_err(|source| PrimaryError::Defect { node: desk.options.node.clone(), source })?;
            if apply_all(seat, &batches).await.is_ok() {
                return Ok(());
            }
        }
        // Somebody else's entries stand behind ours, or an apply failed: read everything again and
        // roll forward from where the documents really are.
        self.seat = None;
        let mut attempt = 1;
        loop {
            match Seat::take(desk).await {
                Ok(seat) => {
                    self.seat = Some(seat);
                    return Ok(());
                }
                Err(PrimaryError::Store(error)) if attempt < TRIES && decide_store(&error) == Decision::Retry => {
                    desk.host.sleep(backoff(attempt, desk.host.random())).await;
                    attempt += 1;
                }
                Err(error) => return Err(Arc::new(error)),
            }
        }
    }

    fn answer_group<H>(
        &mut self,
        desk: &Desk<S, H>,
        group: Group,
        count: usize,
        applied: &Result<(), Arc<PrimaryError>>,
    ) {
        for mut planned in group.planned {
            let position = planned.written.entry.map(|(position, _)| position);
            match (applied, position) {
                (Ok(()), _) if planned.entry < count => planned.job.answer(Ok(planned.written)),
                (Err(source), Some(at)) if planned.entry < count => {
                    planned.job.answer(Err(WriteError::NotApplied { at, source: Arc::clone(source) }));
                }
                _ => {
                    planned.job.beaten += 1;
                    if planned.job.beaten < TRIES {
                        self.taken.push_back(planned.job);
                    } else {
                        let node = desk.options.node.clone();
                        let at = position.unwrap_or_default();
                        let error = PrimaryError::Beaten { node, at, tries: planned.job.beaten };
                        planned.job.answer(Err(WriteError::NotBegun(Arc::new(error))));
                    }
                }
            }
        }
    }
}

impl Group {
    /// Seals an entry behind the last one; returns where it is in the group.
    fn seal(&mut self, optime: OpTime, op_id: OpId, operation: Operation) -> usize {
        let after = self.entries.last().map_or(self.after, Entry::anchor);
        self.entries.push(Entry::seal(&after, optime, op_id, operation));
        self.entries.len() - 1
    }

    /// A job whose operation id another job of this group has: it waits for that one's entry.
    fn plan_again(&mut self, job: Job, entry: usize) {
        let first = self.planned.iter().find(|planned| planned.entry == entry);
        if let Some(first) = first {
            let written = Written { outcome: Outcome::Repeated, ..first.written.clone() };
            self.planned.push(Planned { job, written, entry });
        }
    }
}

impl<S, H> Desk<S, H> {
    /// The next writes that wait, within the bounds of a group.
    fn take_jobs(&self) -> VecDeque<Job> {
        let (mut queue, limits) = (self.queue(), self.options.limits);
        let mut bytes = 0_usize;
        let fits = |job: &Job| {
            bytes = bytes.saturating_add(job.write.bytes());
            bytes <= limits.bytes_max
        };
        let count = queue.iter().take(limits.entries_max).map(fits).take_while(|fits| *fits).count();
        let count = count.max(1).min(queue.len());
        queue.drain(..count).collect()
    }
}

impl Job {
    fn answer(self, answer: Result<Written, WriteError>) {
        // A caller that went away does not want the answer.
        let _gone = self.reply.send(answer);
    }
}

/// Makes a request again while it fails in passing. Appending is idempotent, so an unknown
/// outcome is answered by the same entries at the same positions.
async fn retry<H: Host, S, T, F: Future<Output = Result<T, StoreError>>>(
    desk: &Desk<S, H>,
    mut request: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if attempt < TRIES && decide_store(&error) == Decision::Retry => {
                desk.host.sleep(backoff(attempt, desk.host.random())).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn apply_all<S: Log + Documents + Leases + Clone>(
    seat: &mut Seat<S>,
    batches: &[Batch],
) -> Result<(), StoreError> {
    for batch in batches {
        seat.applier.apply(batch).await?;
        seat.head = batch.last();
    }
    Ok(())
}

/// The retried jobs that the log holds already.
async fn find_repeated<S: Log>(store: &S, jobs: &VecDeque<Job>) -> Result<HashMap<OpId, Written>, StoreError> {
    let mut repeated = HashMap::new();
    for job in jobs.iter().filter(|job| job.retried) {
        if let Some(position) = store.find(job.op_id).await?
            && let Some(entry) =
                store.read(position.index, crate::limits::Limits { entries_max: 1, bytes_max: 1 }).await?.first()
            && let Some(id) = entry.operation().doc_id()
        {
            let entry = Some((entry.position(), entry.optime()));
            repeated.insert(job.op_id, Written { id, outcome: Outcome::Repeated, op_id: job.op_id, entry });
        }
    }
    Ok(repeated)
}

type Current = HashMap<(Namespace, DocId), Option<Document>>;

/// The documents that the jobs name, as they are now.
async fn read_current<S: Documents>(store: &S, jobs: &VecDeque<Job>) -> Result<Current, StoreError> {
    let mut wanted: BTreeMap<&Namespace, Vec<DocId>> = BTreeMap::new();
    for job in jobs {
        if let Some(id) = named_id(&job.write) {
            wanted.entry(job.write.namespace()).or_default().push(id);
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

/// Makes what an operation leaves visible to the jobs behind it in the group.
fn remember(documents: &mut Current, operation: &Operation) {
    let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { return };
    let after = match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => Some(document.clone()),
        _ => None,
    };
    documents.insert((ns.clone(), id), after);
}

/// An `ObjectId` as MongoDB describes it: seconds, then bits that no other process has.
fn new_object_id(now: OpTime, random: [u8; 16]) -> ObjectId {
    let mut bytes = [0; 12];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&now.to_timestamp().0.to_be_bytes());
    tail.copy_from_slice(random.first_chunk::<8>().unwrap_or(&[0; 8]));
    ObjectId::from_bytes(bytes)
}
