//! The body of the embedded stores' fuzz target (feature `testing`): whatever the bytes of a record are, it
//! returns, and what it accepts keeps its promises.

use bson::rawdoc;
use oplogsync_core::{
    catalog::{Collection, CollectionOptions, Index},
    checkpoint::{Checkpoint, Resume, Stop, Token},
    clock::OpTime,
    digest::NamespaceDigest,
    entry::Entry,
    filter::FilterId,
    ids::{LogId, OpId},
    log::LogEnds,
    position::{Anchor, Position},
    testing::{
        documents::namespace,
        fuzzing::corpus::{Seed, Target, seed},
    },
};

use crate::{
    copy::note,
    group_commit::Ticket,
    key::Key,
    place::Place,
    record::{Captured, Commits, Dropped, Format, NextPlace, Record, seal},
    sum::Sum,
};

/// The targets of this crate.
pub const TARGETS: [Target; 1] = [Target { name: "decode_record", body: decode_record, seeds }];

/// The checkpoint and every other record: bytes that decode encode to the same bytes again. The
/// bytes are taken as they are, and as a payload with the right frame, so that what lies behind
/// the checksum is reached.
///
/// # Panics
/// When they do not.
pub fn decode_record(bytes: &[u8]) {
    check::<Checkpoint>(&Key::checkpoint(), bytes);
    check::<Stop>(&Key::stop(), bytes);
    check::<LogEnds>(&Key::log(), bytes);
    check::<Anchor>(&Key::acknowledgement("db2"), bytes);
    check::<Position>(&Key::operation(OpId::from_bytes([1; 16])), bytes);
    check::<NamespaceDigest>(&Key::digest(&namespace("orders")), bytes);
    check::<Format>(&Key::format(), bytes);
    check::<Ticket>(&Key::commits(), bytes);
    check::<Commits>(&Key::commits(), bytes);
    check::<Resume>(&Key::resume(), bytes);
    check::<Captured>(&Key::captured(), bytes);
    check::<Place>(&Key::place(&namespace("orders")), bytes);
    check::<Dropped>(&Key::dropped(&Place::numbered(7)), bytes);
    check::<NextPlace>(&Key::next_place(), bytes);
    check_collection(bytes);
    check_note(bytes);
}

/// What is said twice or in another order is taken in its plain form, which stays as it is.
fn check_collection(bytes: &[u8]) {
    let key = Key::collection(&namespace("orders"));
    for bytes in [bytes, &seal(&key, bytes)] {
        if let Ok(collection) = Collection::decode(key.as_bytes(), bytes) {
            let again = collection.encode(&key).and_then(|again| Collection::decode(key.as_bytes(), &again));
            assert!(again.is_ok_and(|again| again == collection));
        }
    }
}

fn check_note(bytes: &[u8]) {
    let key = Key::note("sync");
    for bytes in [bytes, &seal(&key, bytes)] {
        if let Ok(note) = note(key.as_bytes(), bytes) {
            assert!(note.document.is_some_and(|document| seal(&key, document.as_bytes()) == bytes));
        }
    }
}

fn check<T: Record>(key: &Key, bytes: &[u8]) {
    for bytes in [bytes, &seal(key, bytes)] {
        if let Ok(record) = T::decode(key.as_bytes(), bytes) {
            assert!(record.encode(key).is_ok_and(|again| again == bytes));
        }
    }
}

#[expect(clippy::expect_used, reason = "a seed that cannot be encoded must fail")]
fn seeds() -> Vec<Seed> {
    const FRAME: (usize, usize) = (1, 8);
    fn both<T: Record>(name: &str, key: &Key, record: &T) -> [Seed; 2] {
        let bytes = record.encode(key).expect("a seed can be encoded");
        let payload = bytes.get(FRAME.0..bytes.len() - FRAME.1).unwrap_or_default().to_vec();
        [seed(name, bytes), seed(&format!("{name}-payload"), payload)]
    }
    let log = LogId::from_bytes([3; 16]);
    let anchor = Anchor {
        position: Position { term: 2, index: 7 },
        optime: OpTime::from_timestamp(1_700_000_000, 4),
        hash: Entry::origin(log).hash,
    };
    let resume = Resume { filter: FilterId::from_bytes([5; 16]), token: Some(Token::new(*b"a token")) };
    let index = rawdoc! { "v": 2, "key": { "of": 1 }, "name": "of_1", "unique": true };
    let collection = Collection {
        ns: namespace("orders"),
        options: CollectionOptions::new(&rawdoc! { "validator": { "of": { "$gt": 1 } } }).expect("a seed is valid"),
        indexes: vec![Index::new(&index).expect("a seed is valid")],
    };
    let stop = Stop { at: anchor.position, too_stale: true, reason: "the log is trimmed".to_owned() };
    let seeds = [
        both("checkpoint", &Key::checkpoint(), &Checkpoint { log, anchor }),
        both("stop", &Key::stop(), &stop),
        both("ends-of-the-log", &Key::log(), &LogEnds { log, floor: Entry::origin(log), head: anchor }),
        both("acknowledgement", &Key::acknowledgement("db2"), &anchor),
        both("digest", &Key::digest(&namespace("orders")), &NamespaceDigest { count: 3, sum: u128::MAX }),
        both("format", &Key::format(), &Format(1)),
        both("commits", &Key::commits(), &Commits { count: Ticket(9), sum: Sum(u64::MAX) }),
        both("resume", &Key::resume(), &resume),
        both(
            "captured",
            &Key::captured(),
            &Captured { ends: LogEnds { log, floor: anchor, head: anchor }, resume: resume.clone() },
        ),
        both("place", &Key::place(&collection.ns), &Place::numbered(7)),
        both("place-of-format-1", &Key::place(&collection.ns), &Place::named(&collection.ns)),
        both("dropped", &Key::dropped(&Place::numbered(7)), &Dropped),
        both("next-place", &Key::next_place(), &NextPlace(8)),
        both("collection", &Key::collection(&collection.ns), &collection),
    ];
    let mut seeds: Vec<Seed> = seeds.into_iter().flatten().collect();
    let note = rawdoc! { "v": 1, "phase": "copy" };
    seeds.push(seed("note", seal(&Key::note("sync"), note.as_bytes())));
    seeds.push(seed("note-payload", note.into_bytes()));
    // A text that claims to be longer than everything that there is.
    let lying = [[0_u8; 17].as_slice(), &u64::MAX.to_le_bytes(), b"x"].concat();
    seeds.push(seed("stop-with-a-lying-length-payload", lying));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_this_store_holds_around_its_corpus() {
        let runs = oplogsync_core::testing::fuzzing::corpus::run("oplogsync_store_embedded", &TARGETS);
        assert!(runs > 1_000, "{runs} inputs");
    }

    #[test]
    fn the_records_of_the_corpus_decode() {
        let checkpoint = seeds().into_iter().find(|(name, _)| name == "checkpoint").unwrap().1;
        assert!(Checkpoint::decode(Key::checkpoint().as_bytes(), &checkpoint).is_ok());
    }
}
