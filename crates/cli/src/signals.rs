//! [`Shutdown`]: a clean stop at the first signal, an immediate one at the second.

use std::{future::Future, io};

use tokio::sync::watch;

use crate::{exit::Exit, failure::Failure};

/// Whether the user has asked to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// Asks for a stop.
#[derive(Debug)]
pub(crate) struct Requester(watch::Sender<bool>);

impl Requester {
    /// Asks for it. Whoever is gone needs no telling.
    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A stop that is asked for by the program itself.
    pub(crate) fn requestable() -> (Requester, Self) {
        let (request, requested) = watch::channel(false);
        (Requester(request), Self(requested))
    }

    /// Completes when a stop is asked for.
    pub(crate) async fn requested(mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Runs `work`, which is told of the first Ctrl-C or SIGTERM and then ends by itself; the second one
/// ends it at once.
pub(crate) async fn until_stopped<F>(work: impl FnOnce(Shutdown) -> F) -> Result<Exit, Failure>
where
    F: Future<Output = Result<Exit, Failure>>,
{
    let mut signals = Signals::new().map_err(|error| Failure::unexpected(error, "listen for signals"))?;
    let (stop, shutdown) = Shutdown::requestable();
    let work = work(shutdown);
    let signalled = async move {
        signals.next().await;
        stop.request();
        signals.next().await;
        Ok(Exit::Interrupted)
    };
    tokio::select! {
        ended = Box::pin(work) => ended,
        interrupted = signalled => interrupted,
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
