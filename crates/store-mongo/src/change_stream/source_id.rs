//! [`SourceId`]: which deployment a change stream is of.

use std::fmt;

use bson::{oid::ObjectId, rawdoc};
use oplogsync_core::{filter::FilterId, hash::Hash, ids::LogId, store_error::Fault};

use crate::{error::Failure, scope::Place, server::Topology, store::MongoStore};

/// Changes when the same events make other entries than before.
const FORMAT: u8 = 1;

/// A replica set or a sharded cluster. Its name is not its identity: a set that was made anew has the
/// same name and another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceId {
    Set(ObjectId),
    Cluster(ObjectId),
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(id) => write!(f, "the replica set {id}"),
            Self::Cluster(id) => write!(f, "the sharded cluster {id}"),
        }
    }
}

impl SourceId {
    /// The log that a feed of this source through a filter makes: the same for everybody.
    pub(crate) fn log(self, filter: FilterId) -> LogId {
        let (kind, id) = match self {
            Self::Set(id) => (b's', id),
            Self::Cluster(id) => (b'c', id),
        };
        let mut bytes = b"oplogsync change stream".to_vec();
        bytes.extend([FORMAT, kind]);
        bytes.extend(id.bytes());
        bytes.extend(filter.to_bytes());
        LogId::from_bytes(Hash::of(&bytes).to_bytes())
    }
}

impl MongoStore {
    /// Which replica set or cluster this is.
    pub(crate) async fn source_id(&self) -> Result<SourceId, Failure> {
        match self.inner.server.topology {
            Topology::Standalone => Err(standalone()),
            Topology::ReplicaSet => {
                let id = self.read_set_id().await?;
                id.map(SourceId::Set).ok_or_else(|| malformed("it belongs to no replica set any more"))
            }
            Topology::Mongos => {
                let place = Place { database: "config".to_owned(), collection: "version".to_owned() };
                let version = self.find_one(&place, rawdoc! { "_id": 1 }, None).await;
                let version = version.map_err(|failure| failure.needing("find on config.version"))?;
                let id = version.as_ref().and_then(|version| version.get_object_id("clusterId").ok());
                id.map(SourceId::Cluster).ok_or_else(|| malformed("config.version has no clusterId"))
            }
        }
    }
}

fn malformed(what: &str) -> Failure {
    Failure::said(Fault::Unexpected, format!("the server's reply has an unknown form: {what}"))
}

/// The failure of a server that has no change streams.
pub(crate) fn standalone() -> Failure {
    Failure::said(
        Fault::Incompatible,
        "a standalone server has no change streams: start it with `mongod --replSet NAME` and run `rs.initiate()` once \
         in mongosh, or write to it through oplogsync with `[feed] kind = \"managed\"`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_and_every_filter_has_a_log_of_its_own() {
        let (a, b) = (ObjectId::from_bytes([1; 12]), ObjectId::from_bytes([2; 12]));
        let (all, some) = (FilterId::default(), FilterId::from_bytes([7; 16]));
        let logs = [
            SourceId::Set(a).log(all),
            SourceId::Set(b).log(all),
            SourceId::Cluster(a).log(all),
            SourceId::Set(a).log(some),
        ];
        for (at, log) in logs.iter().enumerate() {
            assert!(!logs[..at].contains(log), "{at}");
        }
        assert_eq!(SourceId::Set(a).log(all), logs[0]);
    }
}
