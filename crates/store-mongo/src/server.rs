//! [`Server`]: what a server says about itself.

use bson::RawDocument;

/// The kind of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// A server on its own: no transactions, no majority.
    Standalone,
    /// A replica set, of one member or more.
    ReplicaSet,
    /// The router of a sharded cluster.
    Mongos,
}

/// What `hello` says that matters to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) topology: Topology,
    /// Most statements in one write command.
    pub(crate) writes_max: usize,
    /// Largest document in bytes; a command's own document may not be larger by much.
    pub(crate) document_bytes_max: usize,
}

/// MongoDB 4.2.
pub(crate) const WIRE_VERSION_MIN: i64 = 8;

/// Why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the server is too old (wire version {found}): MongoDB 4.2 or newer is needed")]
    TooOld { found: i64 },
    #[error("what answers is not a MongoDB server: `{field}` is missing from its greeting")]
    NotMongo { field: &'static str },
}

impl Server {
    /// Reads the reply to `hello`.
    pub(crate) fn from_hello(hello: &RawDocument) -> Result<Self, ServerError> {
        let number = |field: &'static str| {
            let value = hello.get(field).ok().flatten();
            let int = |v: bson::RawBsonRef<'_>| v.as_i32().map(i64::from).or_else(|| v.as_i64());
            value.and_then(int).ok_or(ServerError::NotMongo { field })
        };
        let found = number("maxWireVersion")?;
        if found < WIRE_VERSION_MIN {
            return Err(ServerError::TooOld { found });
        }
        let size = |field| number(field).map(|size| usize::try_from(size).unwrap_or(usize::MAX).max(1));
        let topology = if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
            Topology::Mongos
        } else if hello.get_str("setName").is_ok() {
            Topology::ReplicaSet
        } else {
            Topology::Standalone
        };
        Ok(Self { topology, writes_max: size("maxWriteBatchSize")?, document_bytes_max: size("maxBsonObjectSize")? })
    }

    /// Whether it has transactions and a majority to wait for.
    pub(crate) fn is_replicated(&self) -> bool {
        self.topology != Topology::Standalone
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn a_replica_set_names_itself() {
        let hello = rawdoc! { "maxWireVersion": 17, "setName": "rs", "maxWriteBatchSize": 100_000, "maxBsonObjectSize": 16_777_216 };
        let server = Server::from_hello(&hello).unwrap();
        assert_eq!(server.topology, Topology::ReplicaSet);
        assert_eq!((server.writes_max, server.document_bytes_max), (100_000, 16_777_216));
    }

    #[test]
    fn a_server_before_4_2_is_too_old() {
        let hello = rawdoc! { "maxWireVersion": 7, "maxWriteBatchSize": 100_000, "maxBsonObjectSize": 16_777_216 };
        assert_eq!(Server::from_hello(&hello), Err(ServerError::TooOld { found: 7 }));
    }

    #[test]
    fn an_answer_without_sizes_is_no_server() {
        assert_eq!(Server::from_hello(&rawdoc! { "ok": 1 }), Err(ServerError::NotMongo { field: "maxWireVersion" }));
    }
}
