//! [`Reader`]: a task that reads a change stream ahead of its feed.

use std::time::Duration;

use bson::RawDocumentBuf;
use futures_util::StreamExt;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use oplogsync_core::filter::Filter;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    chunk::{Chunk, Mark, MarkTime},
    event::Decoder,
    level::{Begin, EVENTS_MAX, Level},
    refusal,
    token::ResumeToken,
};
use crate::{
    error::{Access, Failure},
    store::MongoStore,
};

/// Answers of the server that wait to be taken, at most 16 MiB each. One more is in the reader's hands.
const CHUNKS_MAX: usize = 1;

/// Reads a change stream until it ends, which it does when this is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) messages: mpsc::Receiver<Message>,
    _task: JoinSet<()>,
}

/// What a reader tells.
#[derive(Debug)]
pub(super) enum Message {
    /// What an answer of the server says.
    Chunk(Chunk),
    /// The transaction that was open at the end of the last chunk had no more events.
    Closed,
    /// What the stream was of is gone. It goes on where it is opened anew.
    Ended,
    /// There will be nothing more. The flag tells that the server did not answer in time.
    Failed(Failure, bool),
}

/// How a stream is opened.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) store: MongoStore,
    pub(super) filter: Filter,
    pub(super) level: Level,
    pub(super) splits: bool,
    pub(super) times: MarkTime,
    /// How long the server waits for events.
    pub(super) await_time: Duration,
    /// How long an answer may take. One that looks through a large part of an oplog can take long.
    pub(super) patience: Duration,
}

impl Reader {
    /// Opens a stream behind a token, in a task of its own.
    pub(super) fn start(opening: Opening, after: ResumeToken) -> Self {
        let (sender, messages) = mpsc::channel(CHUNKS_MAX);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (Ok(last) | Err(last)) = opening.read(&after, &sender).await;
            // Nobody may listen any more.
            drop(sender.send(last).await);
        });
        Self { messages, _task: task }
    }
}

impl Opening {
    /// Reads until the stream ends, and how it does.
    async fn read(self, after: &ResumeToken, sender: &mpsc::Sender<Message>) -> Result<Message, Message> {
        let mut decoder = Decoder::new(self.store.inner.scope.clone(), self.filter.clone());
        let mut cursor = self.open(self.level.open(Begin::After(after), self.splits, EVENTS_MAX)).await?;
        let mut reply = self.next(&mut cursor).await?;
        while let Some(answer) = reply {
            let chunk = Chunk::read(answer.as_raw_document(), &mut decoder, self.times, after);
            let chunk = chunk.map_err(|failure| Message::Failed(failure, false))?;
            let open = chunk.mark.as_ref().filter(|mark| mark.is_open).cloned();
            let failed = chunk.failure.is_some();
            // While it is handed over the server works on the next one.
            let hand_over = async {
                let is_taken = sender.send(Message::Chunk(chunk)).await.is_ok();
                match open {
                    Some(mark) if is_taken && self.is_closed(&mark).await? => {
                        Ok(sender.send(Message::Closed).await.is_ok())
                    }
                    _ => Ok::<_, Message>(is_taken),
                }
            };
            let (next, is_taken) = tokio::join!(biased; self.next(&mut cursor), hand_over);
            if failed || !is_taken? {
                return Ok(Message::Ended);
            }
            reply = next?;
        }
        Ok(Message::Ended)
    }

    async fn open(&self, command: RawDocumentBuf) -> Result<RawBatchCursor, Message> {
        let database = self.store.client().database(self.level.database());
        let opening = async { database.run_raw_cursor_command(command).max_time(self.await_time).batch().await };
        match timeout(self.patience, Box::pin(opening)).await {
            Ok(opened) => opened.map_err(failed),
            Err(_) => Err(timed_out()),
        }
    }

    /// The next answer; `None` when the stream has ended.
    async fn next(&self, cursor: &mut RawBatchCursor) -> Result<Option<RawBatch>, Message> {
        let limit = self.patience + self.await_time;
        match timeout(limit, cursor.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(batch))) => Ok(Some(batch)),
            Ok(Some(Err(error))) => Err(failed(error)),
            Err(_) => Err(timed_out()),
        }
    }

    /// Whether the transaction that was open at a mark has no more events.
    ///
    /// An answer ends where its bytes are used up, or where nothing follows yet. Which of both it was, it does
    /// not tell, and the next one keeps waiting where nothing follows. A stream that is opened there does not.
    async fn is_closed(&self, mark: &Mark) -> Result<bool, Message> {
        let mut cursor = self.open(self.level.open(Begin::After(&mark.token), self.splits, 1)).await?;
        let Some(reply) = self.next(&mut cursor).await? else { return Ok(true) };
        let Some(event) = reply.doc_slices().map_err(failed)?.into_iter().next() else { return Ok(true) };
        let follows = event.ok().and_then(|event| event.as_document()?.get_timestamp("clusterTime").ok());
        Ok(follows.is_some_and(|time| (time.time, time.increment) != mark.optime.to_timestamp()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the driver's error ends here")]
fn failed(error: mongodb::error::Error) -> Message {
    Message::Failed(refusal::failure(&error), false)
}

fn timed_out() -> Message {
    Message::Failed(Failure::timeout(Access::Read), true)
}
