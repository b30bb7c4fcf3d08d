//! [`ChangeStreamFeed`]: the feed of a replica set whose applications know nothing of us.
//!
//! A reader task reads the set's change stream ahead. A fetch seals what it has read into entries: the
//! log that they make is the same for everybody who follows the set through the same filter from the same place
//! on, but for entries that do nothing. Nothing is kept anywhere but the resume token beside the target's checkpoint.

mod chunk;
mod event;
mod history;
mod image;
mod level;
mod opening;
mod options;
mod queue;
mod reader;
mod refusal;
mod source_id;
mod stream;
mod token;

use oplogsync_core::{
    checkpoint::{Checkpoint, Token},
    entry::Entry,
    feed::{Feed, FeedError, Fetch, Image},
    filter::Filter,
    limits::Limits,
    position::Anchor,
    store_error::Fault,
};
use tokio::{
    sync::Mutex,
    time::{Duration, Instant, sleep_until, timeout_at},
};

pub use self::options::ChangeStreamOptions;
pub(crate) use self::{
    chunk::following,
    image::{is_past, snapshot_at},
    level::{Begin, Level},
    refusal::failure as stream_failure,
    source_id::SourceId,
    token::{ResumeToken, StreamToken},
};
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::{
    chunk::{Chunk, MarkTime},
    event::Decoder,
};
use self::{queue::Yield, stream::Stream};
use crate::{error::Failure, store::MongoStore};

/// How long one fetch waits for the entries of a batch that was begun before: the source held them then.
const BEGUN_WAIT: Duration = Duration::from_secs(10);

/// Yields what happens in a replica set, or in a part of it, from its change stream.
///
/// The positions of the entries count on from the target's checkpoint; their optimes are the server's
/// own times, and those of a transaction are equal. While nothing happens that concerns the target, an entry
/// that does nothing moves its checkpoint now and then, so that the source's history reaches back to it for
/// as long as possible.
///
/// It is for one target: a fetch that does not go on where the last one ended opens the stream anew.
#[derive(Debug)]
pub struct ChangeStreamFeed {
    store: MongoStore,
    filter: Filter,
    options: ChangeStreamOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` before the first fetch and after a failure.
    stream: Option<Stream>,
    /// Since when the source has been seen to be behind its own past.
    behind_since: Option<Instant>,
    /// When the target's checkpoint was last moved.
    moved_at: Option<Instant>,
    /// How often in a row the server did not answer in time.
    slow: u32,
}

impl ChangeStreamFeed {
    /// The feed of what `store` is connected to, through `filter`. Nothing is read yet.
    pub fn new(store: MongoStore, filter: Filter, options: ChangeStreamOptions) -> Self {
        Self { store, filter, options, state: Mutex::default() }
    }

    /// The next batch of a stream, with the token behind it.
    async fn next(&self, state: &mut State, stream: &mut Stream, limits: Limits) -> Result<Next, FeedError> {
        let begun = limits.bytes_max == usize::MAX;
        let wait = if begun { BEGUN_WAIT } else { self.store.inner.options.request_timeout };
        let deadline = Instant::now() + wait;
        loop {
            stream.pull(limits);
            // A transaction that is read in part is there to its end.
            let is_enough = if begun { stream.queue.holds(limits) } else { !stream.has_begun() };
            if is_enough || stream.has_failed() {
                break;
            }
            if timeout_at(deadline, stream.wait()).await.is_err() {
                if begun && !stream.is_at_end() {
                    return Ok(Next::Coming);
                }
                break;
            }
        }
        let at = stream.queue.start().position;
        let broken = |source| FeedError::Broken { after: at, source };
        if let Some(taken) = stream.queue.take(limits).map_err(broken)? {
            return Ok(Next::Yield(taken));
        }
        if let Some((failure, is_timeout)) = stream.take_failure() {
            // What looks through a large part of an oplog takes longer than a request should.
            state.slow = if is_timeout { state.slow.saturating_add(1) } else { 0 };
            return Err(self.store.feed_error(failure, stream.queue.start().optime));
        }
        let is_due = stream.is_fresh() || state.moved_at.is_none_or(|at| at.elapsed() >= self.options.noop_interval);
        let noop = if is_due { stream.queue.take_noop().map_err(broken)? } else { None };
        Ok(noop.map_or(Next::Nothing, Next::Yield))
    }
}

/// What a stream has for a fetch.
enum Next {
    /// This.
    Yield(Yield),
    /// Nothing yet.
    Nothing,
    /// The rest of a batch that was begun before, later.
    Coming,
}

impl Feed for ChangeStreamFeed {
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        let (checkpoint, token) = self.place(checkpoint, token)?;
        let source = token.source;
        let mut state = self.state.lock().await;
        let state = &mut *state;
        // Given back only when all went well.
        let mut stream = match state.stream.take() {
            Some(stream) if *stream.queue.start() == checkpoint.anchor => stream,
            _ => self.open(state, checkpoint, token).await?,
        };
        let next = self.next(state, &mut stream, limits).await?;
        if !stream.is_new() {
            state.slow = 0;
        }
        let batch = match next {
            Next::Yield((batch, resume)) => {
                stream.has_yielded();
                state.moved_at = Some(Instant::now());
                Some(batch.with_token(Some(StreamToken { source, filter: self.filter.id(), resume }.encode())))
            }
            Next::Nothing => None,
            Next::Coming => {
                state.stream = Some(stream);
                let words = "the batch that was begun before is still being read";
                let failure = Failure::said(Fault::Unavailable, words);
                return Err(self.store.store_error("read the change stream", failure).into());
            }
        };
        let head = stream.head();
        state.stream = Some(stream);
        Ok(Fetch { batch, head, floor: Entry::origin(checkpoint.log) })
    }

    async fn acknowledge(&self, _replica: &str, _at: &Anchor) -> Result<(), FeedError> {
        // A server's oplog waits for nobody.
        std::future::ready(Ok(())).await
    }

    async fn changed(&self, at: &Anchor) {
        let mut state = self.state.lock().await;
        let moved_at = state.moved_at.unwrap_or_else(Instant::now);
        let Some(stream) = &mut state.stream else { return std::future::pending().await };
        while stream.queue.start() == at && !stream.has_news() {
            let noop_at = stream.queue.has_moved().then(|| moved_at + self.options.noop_interval);
            // Answers that tell of nothing are taken in too: what follows must not wait behind them.
            tokio::select! {
                () = stream.wait() => {}
                () = sleep_until(noop_at.unwrap_or(moved_at)), if noop_at.is_some() => return,
            }
        }
    }

    async fn image(&self, entry: &Entry) -> Result<Image, FeedError> {
        let image = self.store.image_at(entry.operation(), entry.optime()).await;
        Ok(image.map_err(|failure| self.store.store_error("read a document as it was", failure))?)
    }
}
