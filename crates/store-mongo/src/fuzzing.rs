//! The bodies of this store's fuzz targets (feature `testing`): whatever a document of ours is on
//! the server, they return, and what they accept keeps its promises.

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    checkpoint::{Checkpoint, Resume, Stop, Token},
    command::Action,
    entry::{Entry, Operation},
    filter::FilterId,
    ids::{LogId, OwnerId},
    lease::Lease,
    position::Anchor,
    testing::{
        chain::{Chain, log_id},
        documents::{every_type, id, namespace},
        fuzzing::corpus::{Seed, Target, seed},
    },
};

use crate::{
    entry_document,
    node_document::{
        DOCUMENTS, DocumentsState, LogState, Window, decode_acknowledgement, decode_writer, encode_anchor,
        encode_checkpoint, encode_lease, encode_resume, encode_stop, encode_window,
    },
    scope::Scope,
};

mod event;

pub use self::event::decode_event;

/// The targets of this crate.
pub const TARGETS: [Target; 3] = [
    Target { name: "decode_entry_document", body: decode_entry_document, seeds: entry_seeds },
    Target { name: "decode_event", body: decode_event, seeds: event::seeds },
    Target { name: "decode_node_document", body: decode_node_document, seeds: node_seeds },
];

/// An entry of the log: a document that decodes encodes to one that decodes to the same entry.
///
/// # Panics
/// When it does not.
pub fn decode_entry_document(bytes: &[u8]) {
    let Ok(raw) = RawDocument::from_bytes(bytes) else { return };
    let place = Scope::Server.own("oplog");
    if let Ok(entry) = entry_document::decode(raw, &place) {
        let again = entry_document::encode(&entry).map(|again| entry_document::decode(&again, &place));
        assert!(again.is_some_and(|again| again.is_ok_and(|again| again == entry)));
    }
}

/// The checkpoint and the other documents about a node: what decodes encodes to a document that
/// decodes to the same.
///
/// # Panics
/// When it does not.
pub fn decode_node_document(bytes: &[u8]) {
    let Ok(raw) = RawDocument::from_bytes(bytes) else { return };
    if let Ok(state) = DocumentsState::decode(raw) {
        assert!(DocumentsState::decode(&encode_documents(&state)).is_ok_and(|again| again == state));
    }
    if let Ok(state) = LogState::decode(raw) {
        assert!(LogState::decode(&state.encode()).is_ok_and(|again| again == state));
    }
    // Read only: they are written field by field.
    drop((decode_acknowledgement(raw), decode_writer(raw)));
}

fn encode_documents(state: &DocumentsState) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": DOCUMENTS, "v": 1 };
    let mut append = |name, part: Option<RawDocumentBuf>| part.map_or((), |part| document.append(name, part));
    append(cstr!("lease"), state.lease.as_ref().map(encode_lease));
    append(cstr!("checkpoint"), state.checkpoint.as_ref().map(encode_checkpoint));
    append(cstr!("resume"), encode_resume(&state.resume));
    append(cstr!("applying"), state.applying.as_ref().map(encode_window));
    append(cstr!("stop"), state.stop.as_ref().map(encode_stop));
    document
}

#[expect(clippy::expect_used, reason = "a seed that cannot be encoded must fail")]
fn entry_seeds() -> Vec<Seed> {
    let ns = namespace("fuzz");
    let mut chain = Chain::new(log_id(1));
    chain.new_term().insert(&ns, every_type(1)).update(&ns, rawdoc! { "_id": 1, "a": [{ "b": 2 }] });
    chain.delete(&ns, id(1)).delete(&ns, id(rawdoc! { "a": -0.0 })).push(Operation::Noop);
    chain.patch(&ns, id(1), rawdoc! { "u": { "n": 1 }, "sa": { "a": true, "u0": 2 } });
    chain.command(Action::Rename { ns: ns.clone(), to: namespace("renamed"), drop_target: true });
    let names =
        ["new-term", "insert-of-every-type", "update", "delete", "delete-by-document", "noop", "patch", "command"];
    let encoded = |entry: &Entry| entry_document::encode(entry).expect("a seed can be encoded").into_bytes();
    let mut seeds: Vec<Seed> =
        names.iter().zip(chain.take()).map(|(name, entry)| seed(name, encoded(&entry))).collect();
    seeds.push(seed("unknown-version", rawdoc! { "_id": 1_i64, "v": 2 }.into_bytes()));
    seeds.push(seed("unknown-kind", rawdoc! { "_id": 1_i64, "v": 1, "term": 1_i64, "op": "c" }.into_bytes()));
    seeds.push(seed("too-many-fields", every_type(1_i64).into_bytes()));
    seeds
}

fn node_seeds() -> Vec<Seed> {
    let log = LogId::from_bytes([3; 16]);
    let anchor: Anchor = Entry::origin(log);
    let lease = Lease { owner: OwnerId::from_bytes([5; 16]), holder: "host:42".to_owned(), beat: 9 };
    let stop = Stop { at: anchor.position, too_stale: true, reason: "the log is trimmed".to_owned() };
    let full = DocumentsState {
        lease: Some(lease.clone()),
        checkpoint: Some(Checkpoint { log, anchor }),
        resume: Resume { filter: FilterId::from_bytes([6; 16]), token: Some(Token::new(&[1, 2, 3][..])) },
        applying: Some(Window { index: 8, hash: anchor.hash, steps: true, images: vec![anchor.hash; 2] }),
        stop: Some(stop),
    };
    let window = Window { index: 8, hash: anchor.hash, steps: true, images: Vec::new() };
    let before_tokens = DocumentsState { resume: Resume::default(), applying: Some(window), ..full.clone() };
    vec![
        seed("checkpoint-and-all-else", encode_documents(&full).into_bytes()),
        seed("before-there-were-tokens", encode_documents(&before_tokens).into_bytes()),
        seed("no-checkpoint-yet", encode_documents(&DocumentsState::default()).into_bytes()),
        seed("log", LogState { log, floor: anchor }.encode().into_bytes()),
        seed("writer", rawdoc! { "_id": "writer", "v": 1, "lease": encode_lease(&lease) }.into_bytes()),
        seed(
            "acknowledgement",
            rawdoc! { "_id": "ack:db2", "v": 1, "replica": "db2", "at": encode_anchor(&anchor) }.into_bytes(),
        ),
        seed("unknown-version", rawdoc! { "_id": DOCUMENTS, "v": 2 }.into_bytes()),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use oplogsync_core::testing::{
        fuzzing::corpus,
        hostile::{large_documents, small_documents},
    };

    use oplogsync_core::filter::Filter;

    use super::*;
    use crate::change_stream::Decoder;

    #[test]
    fn every_target_of_this_store_holds_around_its_corpus() {
        let runs = corpus::run("oplogsync_store_mongo", &TARGETS);
        assert!(runs > 1_000, "{runs} inputs");
    }

    #[test]
    fn the_documents_of_the_corpus_decode() {
        for (_, full) in node_seeds().into_iter().take(2) {
            let state = DocumentsState::decode(RawDocument::from_bytes(&full).unwrap()).unwrap();
            assert!(
                state.lease.is_some() && state.checkpoint.is_some() && state.applying.is_some() && state.stop.is_some()
            );
        }
    }

    #[test]
    fn a_hostile_document_in_place_of_one_of_ours_is_refused_soon_and_in_few_words() {
        // Names that are compared with each other would take hours.
        const SOON: Duration = Duration::from_secs(10);
        let place = Scope::Server.own("oplog");
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let Ok(raw) = RawDocumentBuf::from_bytes(hostile.bytes) else { continue };
            let carrier = rawdoc! {
                "_id": 1_i64, "v": 1, "term": 1_i64, "wall": bson::DateTime::from_millis(0), "op": "i",
                "ns": "shop.items", "o": raw.clone(),
            };
            let event = rawdoc! {
                "_id": raw.clone(), "operationType": "insert", "clusterTime": bson::Timestamp { time: 1, increment: 1 },
                "ns": { "db": "shop", "coll": "items" }, "fullDocument": raw.clone(),
            };
            let mut decoder = Decoder::new(Scope::Server, Filter::everything());
            let started = Instant::now();
            let failures = [
                entry_document::decode(&raw, &place).map(drop),
                entry_document::decode(&carrier, &place).map(drop),
                DocumentsState::decode(&raw).map(drop),
                LogState::decode(&raw).map(drop),
                decoder.decode(&raw).map(drop),
                decoder.decode(&event).map(drop),
            ];
            assert!(started.elapsed() < SOON, "{} took {:?}", hostile.name, started.elapsed());
            for failure in failures {
                let said = format!("{:?}", failure.unwrap_err().into_store_error("db1", "read"));
                assert!(said.len() < 4096, "{}: {} bytes", hostile.name, said.len());
            }
        }
    }
}
