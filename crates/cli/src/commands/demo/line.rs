//! [`Line`]: the connection between a replica and its primary, which can be cut.

use oplogsync_core::{
    checkpoint::{Checkpoint, Token},
    entry::Entry,
    feed::{Feed, FeedError, Fetch, Image},
    limits::Limits,
    position::Anchor,
    store_error::{Fault, StoreError},
};
use tokio::sync::watch;

/// A feed behind a line. While the line is cut, the source is not reached.
#[derive(Debug)]
pub(super) struct Line<F> {
    feed: F,
    source: String,
    cut: watch::Receiver<bool>,
}

impl<F> Line<F> {
    /// A line to `feed` on the node `source`, cut for as long as `cut` says so.
    pub(super) fn new(feed: F, source: &str, cut: watch::Receiver<bool>) -> Self {
        Self { feed, source: source.to_owned(), cut }
    }

    fn check(&self, doing: &str) -> Result<(), FeedError> {
        if *self.cut.borrow() {
            return Err(StoreError::new(&self.source, doing, Fault::Unavailable).because("the line is cut").into());
        }
        Ok(())
    }
}

impl<F: Feed> Feed for Line<F> {
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        self.check("read the oplog")?;
        self.feed.fetch(checkpoint, token, limits).await
    }

    async fn acknowledge(&self, replica: &str, at: &Anchor) -> Result<(), FeedError> {
        self.check("note the progress of a replica")?;
        self.feed.acknowledge(replica, at).await
    }

    async fn changed(&self, _at: &Anchor) {
        // The demo polls, as the one did that it comes from, so that there is some lag to be seen.
        std::future::pending::<()>().await;
    }

    async fn image(&self, entry: &Entry) -> Result<Image, FeedError> {
        self.feed.image(entry).await
    }
}
