//! [`Primary`]: the one writer of a log.

mod command;
mod committer;
mod current;
mod evaluate;
mod group;
mod seat;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::{Mutex, Semaphore, oneshot};

use self::committer::Committer;
use crate::{
    batch::BatchError,
    command::Action,
    host::Host,
    ids::{LogId, OpId, OwnerId},
    initial_sync::SyncTarget,
    lease::LEASE_TERM,
    limits::Limits,
    log::Log,
    position::Position,
    replicator::ReplicateError,
    store_error::StoreError,
    update::UpdateError,
    write::{Write, Written},
};

/// How a [`Primary`] works.
#[derive(Debug, Clone)]
pub struct PrimaryOptions {
    /// The node's name, for messages.
    pub node: String,
    /// Who this process is, for people who meet its leases: host and process id.
    pub holder: String,
    /// The bounds of a group of writes that is appended at once.
    pub limits: Limits,
    /// How many writes may wait; further callers wait until there is room.
    pub queue_max: usize,
    /// How long the leases live without a renewal.
    pub lease_term: Duration,
}

impl Default for PrimaryOptions {
    /// Groups of a thousand, ten thousand waiting.
    fn default() -> Self {
        Self {
            node: "primary".to_owned(),
            holder: "oplogsync".to_owned(),
            limits: Limits::default(),
            queue_max: 10_000,
            lease_term: LEASE_TERM,
        }
    }
}

/// Why a primary cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrimaryError {
    /// Its log could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its documents could not be brought in step with its log.
    #[error("{node}: the documents cannot be rolled forward to the log")]
    RollForward {
        /// The node.
        node: String,
        /// What failed.
        source: ReplicateError,
    },
    /// The node is a replica: its documents follow a log that is elsewhere.
    #[error(
        "{node} is a replica: its documents follow log {log} of another node; write to that one, or give the primary a database of its own"
    )]
    Replica {
        /// The node.
        node: String,
        /// The log that it follows.
        log: LogId,
    },
    /// Entries that it sealed itself do not follow each other.
    #[error("{node}: this is a defect of oplogsync, please report it")]
    Defect {
        /// The node.
        node: String,
        /// What does not fit.
        source: BatchError,
    },
    /// The place of a write's entry was trimmed away before it was known whether it was appended.
    #[error("{node}: the log was trimmed beyond index {index} before it was known what stood there")]
    Trimmed {
        /// The node.
        node: String,
        /// Where the entry was to go.
        index: u64,
    },
    /// Other writers were faster, again and again.
    #[error(
        "{node}: other writers were faster at {at}, {tries} times in a row: one process at a time should write a log"
    )]
    Beaten {
        /// The node.
        node: String,
        /// Where the entry should have gone.
        at: Position,
        /// How often it was tried.
        tries: u32,
    },
}

/// Why a write was not done, or is not known to be done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The write itself is wrong; nothing was written. Code and name are those of MongoDB.
    #[error(transparent)]
    Refused(#[from] UpdateError),
    /// The primary failed. The write may be in the log all the same: to find out, write it again
    /// under the same operation id.
    #[error("the outcome of write {op_id} is unknown; retry it under this operation id")]
    Unknown {
        /// The write's operation id.
        op_id: OpId,
        /// What failed.
        source: Arc<PrimaryError>,
    },
    /// The primary failed before the write was begun; nothing was written.
    #[error("nothing was written")]
    NotBegun(#[source] Arc<PrimaryError>),
    /// The write is in the log, so it will be replicated, and is not in the primary's own
    /// documents yet: they are rolled forward before the next write.
    #[error("the write is in the log at {at}, and not in the primary's own documents yet")]
    NotApplied {
        /// Where it is in the log.
        at: Position,
        /// What failed.
        source: Arc<PrimaryError>,
    },
}

/// The one writer of a log: gives each write a position, evaluates it to a full image, appends
/// the entry, and only then changes its own documents, by the same code as a replica.
///
/// Any number of callers may write at once: whoever comes first commits for all that wait (group
/// commit), so there is no task in the background, and what a caller that goes away leaves half done
/// the next one finishes. A write that was begun must be polled on or dropped: one that is kept and
/// not polled may hold up all others. It takes the node's leases at the first write or at [`Primary::open`] and works on
/// through their loss: the position of an entry is a compare-and-swap.
#[derive(Debug)]
pub struct Primary<S, H> {
    desk: Desk<S, H>,
    committer: Mutex<Committer<S>>,
    room: Semaphore,
}

/// What all callers share.
#[derive(Debug)]
struct Desk<S, H> {
    store: S,
    host: H,
    options: PrimaryOptions,
    owner: OwnerId,
    queue: std::sync::Mutex<VecDeque<Job>>,
}

/// What a caller wants done.
#[derive(Debug, Clone)]
enum Task {
    Write(Write),
    Command(Action),
}

/// A write or a command that waits for its answer.
#[derive(Debug)]
struct Job {
    op_id: OpId,
    task: Task,
    /// Whether the log may hold it already.
    retried: bool,
    /// The index that its entry had, or was to have, in the last group; 0 when there was none.
    sealed_at: u64,
    /// How often other writers were faster.
    beaten: u32,
    reply: oneshot::Sender<Result<Written, WriteError>>,
}

impl<S, H> Primary<S, H>
where
    S: Log + SyncTarget + Clone,
    H: Host,
{
    /// Opens a node as a primary: takes its leases, creates its log if there is none, and rolls
    /// its documents forward to the end of the log.
    ///
    /// # Errors
    /// [`PrimaryError`]: among others when another process holds the node, when it holds documents
    /// that no log records, or when its documents have drifted from its log.
    pub async fn open(store: S, host: H, options: PrimaryOptions) -> Result<Self, PrimaryError> {
        let owner = OwnerId::from_bytes(host.random());
        let options = PrimaryOptions { limits: options.limits.at_most(store.batch_max()), ..options };
        let room = Semaphore::new(options.queue_max.clamp(1, Semaphore::MAX_PERMITS));
        let desk = Desk { store, host, options, owner, queue: std::sync::Mutex::default() };
        let committer = Committer::open(&desk).await?;
        Ok(Self { desk, committer: Mutex::new(committer), room })
    }

    /// Writes, and returns when the write is durable in the log and visible in the primary's own
    /// documents. It gets a fresh operation id.
    ///
    /// # Errors
    /// [`WriteError`] tells whether the write may have been done.
    pub async fn write(&self, write: Write) -> Result<Written, WriteError> {
        let op_id = OpId::from_bytes(self.desk.host.random());
        self.queue_and_commit(op_id, Task::Write(write), false).await
    }

    /// Writes under a given operation id: if the log holds that operation already, nothing is
    /// written again and the outcome is [`Outcome::Repeated`](crate::write::Outcome::Repeated).
    ///
    /// Entries that retention has trimmed away are not remembered.
    ///
    /// # Errors
    /// As for [`Primary::write`].
    pub async fn write_once(&self, op_id: OpId, write: Write) -> Result<Written, WriteError> {
        self.queue_and_commit(op_id, Task::Write(write), true).await
    }

    /// Changes collections or indexes, as a mongod would, and returns when that is durable in the log and
    /// done on the primary itself. An index, and options, are tried on the primary before they are logged,
    /// so that what a server refuses is refused here.
    ///
    /// # Errors
    /// As for [`Primary::write`]. A TTL index is refused: what expires by it would expire beside the oplog.
    pub async fn run(&self, action: Action) -> Result<Written, WriteError> {
        let op_id = OpId::from_bytes(self.desk.host.random());
        self.queue_and_commit(op_id, Task::Command(action), false).await
    }

    /// The same under a given operation id, as [`Primary::write_once`].
    ///
    /// # Errors
    /// As for [`Primary::run`].
    pub async fn run_once(&self, op_id: OpId, action: Action) -> Result<Written, WriteError> {
        self.queue_and_commit(op_id, Task::Command(action), true).await
    }

    /// Gives the leases back, once all writes before are done.
    ///
    /// # Errors
    /// When the store cannot be written; the leases then lapse by themselves.
    pub async fn close(self) -> Result<(), PrimaryError> {
        self.committer.into_inner().close(&self.desk).await
    }

    async fn queue_and_commit(&self, op_id: OpId, task: Task, retried: bool) -> Result<Written, WriteError> {
        // The semaphore is never closed; were it, the queue would only be unbounded.
        let _room = self.room.acquire().await.ok();
        let (reply, mut answer) = oneshot::channel();
        self.desk.enqueue(Job { op_id, task, retried, sealed_at: 0, beaten: 0, reply });
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    return answer.unwrap_or_else(|_closed| unreachable!("every job that is taken is answered"));
                }
                mut committer = self.committer.lock() => committer.commit(&self.desk).await,
            }
        }
    }
}

impl Task {
    /// The size of what it carries.
    fn bytes(&self) -> usize {
        match self {
            Self::Write(write) => write.bytes(),
            Self::Command(_) => 0,
        }
    }
}

impl<S, H> Desk<S, H> {
    /// Callers that went away gave their room back and left their jobs, which go before others come.
    fn enqueue(&self, job: Job) {
        let mut queue = self.queue();
        if queue.len() >= self.options.queue_max {
            queue.retain(|job| !job.reply.is_closed());
        }
        queue.push_back(job);
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        // Nothing panics while it is held; and a queue is as good as before if something did.
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
