//! [`Capture`]: fills a spool with what a feed yields, and the feed and the source of those who follow it.

use std::{future::Future, time::Duration};

use crate::{
    catch_up::{Clock, Moment},
    checkpoint::{Checkpoint, Resume, Token},
    doc_id::DocId,
    entry::Entry,
    feed::{Feed, FeedError, Fetch, Image, OplogFeed},
    filter::Filter,
    host::Host,
    ids::OwnerId,
    initial_sync::{Got, Listing, Part, Read, Start, SyncSource},
    lease::{HeldLease, LEASE_TERM, Lease, LeaseName, Leases},
    limits::Limits,
    namespace::Namespace,
    position::Anchor,
    retry::{Decision, backoff, decide_feed, decide_store},
    spool::SpoolLog,
    store_error::StoreError,
};

/// How a [`Capture`] works.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Who this process is, for people who meet its lease: host and process id.
    pub holder: String,
    /// What is captured.
    pub filter: Filter,
    /// The bounds of a batch.
    pub limits: Limits,
    /// How long to wait when there is nothing, unless the feed tells earlier.
    pub poll_interval: Duration,
    /// How long the spool's lease lives without a renewal.
    pub lease_term: Duration,
}

impl Default for CaptureOptions {
    /// Everything, a thousand entries a batch, a look every second.
    fn default() -> Self {
        Self {
            holder: "oplogsync".to_owned(),
            filter: Filter::everything(),
            limits: Limits::default(),
            poll_interval: Duration::from_secs(1),
            lease_term: LEASE_TERM,
        }
    }
}

/// Why nothing more can be captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The feed does not yield what follows.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The spool could not be read or written.
    #[error(transparent)]
    Spool(#[from] StoreError),
    /// The spool holds what another filter has let pass.
    #[error(
        "the spool {spool} was filled with another `[filter]`: give this one another folder, or put the old filter back"
    )]
    OtherFilter {
        /// The spool.
        spool: String,
    },
}

/// Something worth telling about a [`Capture`].
#[derive(Debug)]
pub enum CaptureEvent<'a> {
    /// Entries were captured, up to this one.
    Captured {
        /// How many.
        entries: usize,
        /// The last one.
        last: &'a Anchor,
    },
    /// The spool holds all that the feed has to tell at the moment.
    CaughtUp {
        /// The last entry.
        last: &'a Anchor,
    },
    /// Something failed in a way that passes; it is tried again after `wait`.
    Retrying {
        /// The number of this retry, from 1.
        attempt: u32,
        /// How long until then.
        wait: Duration,
        /// What failed.
        error: &'a CaptureError,
    },
}

/// Is told what a running [`Capture`] does.
pub trait CaptureObserver: Send + Sync {
    /// Called in order; should return soon.
    fn observe_capture(&self, event: CaptureEvent<'_>);
}

/// Nobody listens.
impl CaptureObserver for () {
    fn observe_capture(&self, _event: CaptureEvent<'_>) {}
}

/// Fills a spool with what a feed yields. One process at a time does so: it holds the lease of the log.
#[derive(Debug)]
pub struct Capture<F, S, L, H> {
    name: String,
    feed: F,
    source: S,
    spool: L,
    host: H,
    options: CaptureOptions,
    owner: OwnerId,
}

impl<F, S, L, H> Capture<F, S, L, H>
where
    F: Feed,
    S: SyncSource,
    L: SpoolLog + Leases + Clone,
    H: Host,
{
    /// A capture into the spool named `name`. Nothing is read or written yet.
    pub fn new(name: impl Into<String>, feed: F, source: S, spool: L, host: H, options: CaptureOptions) -> Self {
        let owner = OwnerId::from_bytes(host.random());
        Self { name: name.into(), feed, source, spool, host, options, owner }
    }

    /// Captures until `shutdown` completes. What passes is tried again.
    ///
    /// # Errors
    /// The failure after which nothing more can be captured.
    pub async fn run(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        observer: &impl CaptureObserver,
    ) -> Result<(), CaptureError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut attempt = 0;
        loop {
            let captured = tokio::select! {
                biased;
                () = shutdown.as_mut() => return Ok(()),
                captured = self.hold_and_capture(observer, &mut attempt) => captured,
            };
            let Err(error) = captured else { return Ok(()) };
            if error.decide() != Decision::Retry {
                return Err(error);
            }
            attempt = u32::saturating_add(attempt, 1);
            let wait = backoff(attempt, self.host.random());
            observer.observe_capture(CaptureEvent::Retrying { attempt, wait, error: &error });
            tokio::select! {
                biased;
                () = shutdown.as_mut() => return Ok(()),
                () = self.host.sleep(wait) => {}
            }
        }
    }

    /// Captures under the lease, which is given back in the end, whatever the end was.
    async fn hold_and_capture(&self, observer: &impl CaptureObserver, attempt: &mut u32) -> Result<(), CaptureError> {
        let (host, term) = (&self.host, self.options.lease_term);
        let mine = Lease { owner: self.owner, holder: self.options.holder.clone(), beat: 0 };
        let lease = HeldLease::acquire(self.spool.clone(), &self.name, LeaseName::Log, mine, host, term).await?;
        let error = tokio::select! {
            biased;
            error = self.capture(observer, attempt) => error,
            lost = lease.keep(host, term) => lost.into(),
        };
        lease.release().await?;
        Err(error)
    }

    /// Captures until something fails.
    async fn capture(&self, observer: &impl CaptureObserver, attempt: &mut u32) -> CaptureError {
        let mut from = match self.begin().await {
            Ok(from) => from,
            Err(error) => return error,
        };
        loop {
            match self.capture_one(&from, observer).await {
                Ok(Some(next)) => {
                    *attempt = 0;
                    from = next;
                }
                Ok(None) => {
                    *attempt = 0;
                    tokio::select! {
                        biased;
                        () = self.feed.changed(&from.0.anchor) => {}
                        () = self.host.sleep(self.options.poll_interval) => {}
                    }
                }
                Err(error) => return error,
            }
        }
    }

    /// Where the spool ends; a new one begins where the source is now.
    async fn begin(&self) -> Result<(Checkpoint, Option<Token>), CaptureError> {
        let filter = self.options.filter.id();
        if let Some((checkpoint, resume)) = self.spool.captured().await? {
            if resume.filter != filter {
                return Err(CaptureError::OtherFilter { spool: self.name.clone() });
            }
            return Ok((checkpoint, resume.token));
        }
        let Start { checkpoint, token } = self.source.start().await?;
        let resume = Resume { filter, token };
        self.spool.begin_capture(checkpoint, &resume, self.owner).await?;
        Ok((checkpoint, resume.token))
    }

    async fn capture_one(
        &self,
        (checkpoint, token): &(Checkpoint, Option<Token>),
        observer: &impl CaptureObserver,
    ) -> Result<Option<(Checkpoint, Option<Token>)>, CaptureError> {
        let fetch = self.feed.fetch(Some(*checkpoint), token.as_ref(), self.options.limits).await?;
        let head = fetch.head.position.index;
        let Some(batch) = fetch.batch else {
            if head <= checkpoint.anchor.position.index {
                observer.observe_capture(CaptureEvent::CaughtUp { last: &checkpoint.anchor });
            }
            return Ok(None);
        };
        let batch = batch.seen(crate::view::View::through(self.options.filter.clone()));
        self.spool.capture(&batch, self.owner).await?;
        let (entries, last) = (batch.entries().len(), batch.last());
        observer.observe_capture(CaptureEvent::Captured { entries, last: &last });
        if head <= last.position.index {
            observer.observe_capture(CaptureEvent::CaughtUp { last: &last });
        }
        Ok(Some((Checkpoint { log: batch.log(), anchor: last }, batch.token().cloned())))
    }
}

impl CaptureError {
    /// What to do about it.
    pub fn decide(&self) -> Decision {
        match self {
            Self::Feed(feed) => decide_feed(feed),
            Self::Spool(store) => decide_store(store),
            Self::OtherFilter { .. } => Decision::Stop,
        }
    }
}

/// The feed of those who follow a spool: its log, and the source behind it for what the log does not tell.
#[derive(Debug, Clone)]
pub struct SpoolFeed<L, F> {
    log: OplogFeed<L>,
    upstream: F,
}

impl<L: SpoolLog, F: Feed> SpoolFeed<L, F> {
    /// The feed of `spool`, named `name`, which is filled from `upstream`.
    pub fn new(spool: L, name: impl Into<String>, upstream: F) -> Self {
        Self { log: OplogFeed::new(spool, name).with_transactions(), upstream }
    }
}

impl<L: SpoolLog, F: Feed> Feed for SpoolFeed<L, F> {
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        self.log.fetch(checkpoint, token, limits).await
    }

    async fn acknowledge(&self, replica: &str, at: &Anchor) -> Result<(), FeedError> {
        self.log.acknowledge(replica, at).await
    }

    async fn changed(&self, at: &Anchor) {
        self.log.changed(at).await;
    }

    async fn image(&self, entry: &Entry) -> Result<Image, FeedError> {
        self.upstream.image(entry).await
    }
}

/// What targets that follow a spool are copied from: the source behind it, from where the spool is.
#[derive(Debug, Clone)]
pub struct SpoolSource<L, S> {
    spool: L,
    name: String,
    upstream: S,
}

impl<L: SpoolLog, S: SyncSource> SpoolSource<L, S> {
    /// The source `upstream` behind `spool`, named `name`.
    pub fn new(spool: L, name: impl Into<String>, upstream: S) -> Self {
        Self { spool, name: name.into(), upstream }
    }
}

impl<L: SpoolLog, S: SyncSource> SyncSource for SpoolSource<L, S> {
    fn clock(&self) -> Clock {
        self.upstream.clock()
    }

    async fn has_to_be_copied(&self) -> Result<bool, StoreError> {
        self.upstream.has_to_be_copied().await
    }

    async fn start(&self) -> Result<Start, FeedError> {
        // What is captured happened before anything that will be read.
        match self.spool.captured().await? {
            Some((checkpoint, _)) => Ok(Start { checkpoint, token: None }),
            None => Err(FeedError::NoLog { source_node: self.name.clone() }),
        }
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        self.upstream.list().await
    }

    async fn split(&self, ns: &Namespace, parts: usize) -> Result<Vec<DocId>, StoreError> {
        self.upstream.split(ns, parts).await
    }

    async fn read(&self, part: Part<'_>, at: Option<Moment>, limits: Limits) -> Result<Read, StoreError> {
        self.upstream.read(part, at, limits).await
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId], at: Option<Moment>) -> Result<Got, StoreError> {
        self.upstream.get(ns, ids, at).await
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        self.upstream.now().await
    }
}
