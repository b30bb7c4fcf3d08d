//! [`Stream`]: a change stream that is followed: what was read of it, and its reader.

use oplogsync_core::{limits::Limits, position::Anchor, store_error::Fault};

use super::{
    queue::Queue,
    reader::{Message, Opening, Reader},
    token::ResumeToken,
};
use crate::error::Failure;

/// A change stream that is followed: what was read of it, and its reader.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) queue: Queue,
    opening: Opening,
    reader: Reader,
    /// Why nothing more is read, and whether that is because no answer came in time. It counts once the queue is empty.
    failure: Option<(Failure, bool)>,
    is_new: bool,
    is_fresh: bool,
    /// Where it has ended last.
    ended_at: Option<ResumeToken>,
}

impl Stream {
    /// Begins to read where the queue goes on.
    pub(super) fn open(opening: Opening, queue: Queue) -> Self {
        let reader = Reader::start(opening.clone(), queue.token().clone());
        Self { queue, opening, reader, failure: None, is_new: true, is_fresh: true, ended_at: None }
    }

    /// Whether nothing was heard of it yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether more is sure to come: its first answer, or the rest of a transaction.
    pub(super) fn has_begun(&mut self) -> bool {
        self.is_new || (!self.queue.is_empty() && !self.queue.has_batch())
    }

    /// Whether everything was read that there is.
    pub(super) fn is_at_end(&self) -> bool {
        !self.is_new && self.queue.is_at_end() && self.reader.messages.is_empty()
    }

    /// Whether it has yielded nothing yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    pub(super) fn has_yielded(&mut self) {
        self.is_fresh = false;
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn take_failure(&mut self) -> Option<(Failure, bool)> {
        self.failure.take()
    }

    /// Takes in what has been read, as far as a batch within the limits needs it.
    pub(super) fn pull(&mut self, limits: Limits) {
        while !self.has_failed() && !self.queue.is_full(limits) {
            let Ok(message) = self.reader.messages.try_recv() else { return };
            self.accept(message);
        }
    }

    /// Waits until more has been read, and takes it in. Nothing is lost when it is dropped before.
    pub(super) async fn wait(&mut self) {
        match self.reader.messages.recv().await {
            Some(message) => self.accept(message),
            None => self.failure = Some((Failure::said(Fault::Unavailable, "its reader was ended"), false)),
        }
    }

    /// Whether a fetch now yields something, or fails.
    pub(super) fn has_news(&mut self) -> bool {
        self.has_failed() || self.queue.has_batch()
    }

    /// The newest entry that is known to be there.
    pub(super) fn head(&self) -> Anchor {
        self.queue.head(self.is_new || !self.reader.messages.is_empty())
    }

    fn accept(&mut self, message: Message) {
        match message {
            Message::Chunk(mut chunk) => {
                self.is_new = false;
                self.failure = chunk.failure.take().map(|failure| (failure, false));
                self.queue.push(chunk);
            }
            Message::Closed => self.queue.close(),
            Message::Ended if self.ended_at.as_ref() == Some(self.queue.token()) => {
                let words = "the change stream ends as soon as it is opened";
                self.failure = Some((Failure::said(Fault::Unavailable, words), false));
            }
            Message::Ended => {
                self.ended_at = Some(self.queue.token().clone());
                self.reader = Reader::start(self.opening.clone(), self.queue.token().clone());
            }
            Message::Failed(failure, is_timeout) => self.failure = Some((failure, is_timeout)),
        }
    }
}
