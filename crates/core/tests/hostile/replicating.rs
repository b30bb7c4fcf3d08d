//! A replica of a log that somebody hostile wrote.

use bson::rawdoc;
use oplogsync_core::{
    clock::OpTime,
    documents::Documents,
    entry::{Entry, Kind, Operation},
    feed::OplogFeed,
    ids::OpId,
    log::LogEnds,
    memory::MemoryStore,
    position::{Anchor, Position},
    replicator::{Replicator, ReplicatorOptions},
    retry::{Decision, decide},
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace},
        hostile::{large_documents, namespaces, small_documents},
        manual_host::ManualHost,
        read_only::ReadOnly,
        ready::ready,
    },
};

use crate::{
    alone::alone,
    byte_log::{ByteLog, encoded, forged, with_kind, with_version},
    cost::{REFUSED_KIB_MAX, within_bounds},
};

/// The most that a target is given to keep as the reason of a stop.
const REASON_BYTES_MAX: usize = 8 * 1024 + 64;

/// A replica that has applied the first entry of a log, and what it has then.
struct Replica {
    source: ByteLog,
    target: MemoryStore,
    first: Entry,
}

impl Replica {
    fn new() -> Self {
        let document = rawdoc! { "_id": 1, "text": "as it was" };
        let first = Chain::new(log_id(1)).insert(&namespace("items"), document).take().remove(0);
        let floor = Entry::origin(log_id(1));
        let ends = LogEnds { log: log_id(1), floor, head: first.anchor() };
        let replica =
            Self { source: ByteLog { ends, entries: vec![encoded(&first)] }, target: MemoryStore::new("db2"), first };
        let mut replicator = replica.replicator();
        assert_eq!(ready(replicator.step()).unwrap().entries, 1);
        ready(replicator.close()).unwrap();
        replica
    }

    fn replicator(&self) -> Replicator<OplogFeed<ReadOnly<ByteLog>>, MemoryStore, ManualHost> {
        let feed = OplogFeed::new(ReadOnly(self.source.clone()), "db1");
        Replicator::new("db2", feed, self.target.clone(), ManualHost::standing(1), ReplicatorOptions::default())
    }

    /// Gives the replica `next` to apply: it stops for good, says why, and nothing has changed.
    fn refuses(mut self, case: &str, next: Vec<u8>) {
        let ns = namespace("items");
        let position = Position { index: 2, ..self.first.position() };
        self.source.ends.head = Anchor { position, ..self.first.anchor() };
        let size = next.len();
        self.source.entries.push(next);
        let before = (ready(self.target.digest(&ns)).unwrap(), ready(self.target.checkpoint()).unwrap());
        let mut replicator = self.replicator();
        let stopped = within_bounds(case, size, REFUSED_KIB_MAX, || ready(replicator.run(std::future::pending(), &())));
        let error = stopped.unwrap_err();
        assert_ne!(decide(&error), Decision::Retry, "{case}: {error}");
        assert_eq!((ready(self.target.digest(&ns)).unwrap(), ready(self.target.checkpoint()).unwrap()), before);
        assert_eq!(ready(self.target.namespaces()).unwrap(), [ns]);
        let stop = ready(self.target.stop()).unwrap().unwrap();
        assert_eq!(stop.at.index, 2, "{case}");
        assert!((1..=REASON_BYTES_MAX).contains(&stop.reason.len()), "{case}: {} bytes", stop.reason.len());
    }
}

#[test]
fn a_replica_stops_at_a_hostile_document_and_keeps_what_it_has() {
    alone("replicating::a_replica_stops_at_a_hostile_document_and_keeps_what_it_has", || {
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let replica = Replica::new();
            // What a mongod takes stops it as well: its hash is not that of the content.
            let next = forged(&replica.first, Kind::Update.code(), b"shop.items", &hostile.bytes);
            replica.refuses(hostile.name, next);
        }
    });
}

#[test]
fn a_replica_stops_at_a_namespace_that_is_never_replicated() {
    alone("replicating::a_replica_stops_at_a_namespace_that_is_never_replicated", || {
        for text in namespaces() {
            let replica = Replica::new();
            let document = rawdoc! { "_id": 2 };
            let next = forged(&replica.first, Kind::Insert.code(), text.as_bytes(), document.as_bytes());
            replica.refuses(&format!("namespace {:?}", text.chars().take(30).collect::<String>()), next);
        }
    });
}

#[test]
fn a_replica_stops_at_an_entry_of_an_unknown_version_or_kind_or_of_a_future_term() {
    alone("replicating::a_replica_stops_at_an_entry_of_an_unknown_version_or_kind_or_of_a_future_term", || {
        let sealed = |after: Anchor, operation| {
            Entry::seal(&after, OpTime::from_timestamp(9, 9), OpId::from_bytes([9; 16]), operation)
        };
        let ns = namespace("items");
        let insert = || Operation::Insert { ns: namespace("items"), document: valid(rawdoc! { "_id": 2 }) };
        for version in [0, 2, 255] {
            let replica = Replica::new();
            let next = with_version(version, &sealed(replica.first.anchor(), insert()));
            replica.refuses(&format!("version {version}"), next);
        }
        for kind in [0, b'c', b'x', 255] {
            let replica = Replica::new();
            let next = with_kind(kind, &sealed(replica.first.anchor(), insert()));
            replica.refuses(&format!("kind {kind}"), next);
        }
        for term in [1, 7, u64::MAX] {
            let replica = Replica::new();
            let position = Position { term, ..replica.first.position() };
            let next = sealed(Anchor { position, ..replica.first.anchor() }, insert());
            replica.refuses(&format!("term {term}"), encoded(&next));
        }
        for (case, operation) in [
            ("an insert of what is there", Operation::Insert { ns: ns.clone(), document: valid(rawdoc! { "_id": 1 }) }),
            (
                "an update of what is not there",
                Operation::Update { ns: ns.clone(), document: valid(rawdoc! { "_id": 9 }) },
            ),
            ("a delete of what is not there", Operation::Delete { ns: ns.clone(), id: id("x".repeat(15 << 20)) }),
        ] {
            let replica = Replica::new();
            let next = sealed(replica.first.anchor(), operation);
            replica.refuses(case, encoded(&next));
        }
    });
}

#[test]
fn a_replica_applies_everything_before_a_damaged_entry_and_stops_at_it() {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    for number in 1..=20 {
        chain.insert(&ns, rawdoc! { "_id": number });
    }
    let head = chain.last();
    let entries = chain.take();
    for (damaged, gap) in (1..=20_usize).flat_map(|at| [(at, false), (at, true)]).take(39) {
        let mut bytes: Vec<_> = entries.iter().map(encoded).collect();
        if gap {
            bytes.remove(damaged - 1);
        } else {
            bytes[damaged - 1][40] ^= 1;
        }
        let ends = LogEnds { log: log_id(1), floor: Entry::origin(log_id(1)), head };
        let feed = OplogFeed::new(ReadOnly(ByteLog { ends, entries: bytes }), "db1");
        let target = MemoryStore::new("db2");
        let host = ManualHost::standing(1);
        let mut replicator = Replicator::new("db2", feed, target.clone(), host, ReplicatorOptions::default());
        let error = ready(replicator.run(std::future::pending(), &())).unwrap_err();
        assert_ne!(decide(&error), Decision::Retry, "{error}");
        assert_eq!(ready(target.stop()).unwrap().unwrap().at.index, damaged as u64);
        assert_eq!(ready(target.digest(&ns)).unwrap().count, damaged as u64 - 1);
    }
}
