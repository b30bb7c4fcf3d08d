//! The journal: on a standalone server an entry can be seen before a crash can no longer take it
//! back. A replica set shows to a majority read only what is journaled.

use std::sync::atomic::Ordering;

use bson::rawdoc;
use oplogsync_core::store_error::Fault;

use crate::{error::Failure, store::MongoStore};

impl MongoStore {
    /// Returns when all entries up to `index`, which were seen in the log, are in the server's journal.
    ///
    /// The journal is sequential: when a write is in it, all that could be seen before is, too. This
    /// write changes nothing; and it is made only for entries that are not known to be journaled.
    pub(crate) async fn await_journal(&self, index: u64) -> Result<(), Failure> {
        let known = &self.inner.journaled;
        if !self.inner.options.journal || self.inner.server.is_replicated() || index <= known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let nobody = rawdoc! { "_id": "journal" };
        let reply = self.update_one(&self.own("node"), nobody, rawdoc! { "$set": { "v": 1 } }, false, None).await;
        let refused =
            reply.and_then(|reply| reply.errors.first().map_or(Ok(()), |error| Err(Failure::from_write_error(error))));
        refused.map_err(|mut failure| {
            // Nothing was to be written, so a lost reply leaves nothing unknown.
            if failure.fault == Fault::Unknown {
                failure.fault = Fault::Unavailable;
            }
            failure
        })?;
        known.fetch_max(index, Ordering::Relaxed);
        Ok(())
    }
}
