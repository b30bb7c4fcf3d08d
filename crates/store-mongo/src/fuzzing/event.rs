//! Events, answers and tokens of change streams.

use bson::{Binary, RawDocument, RawDocumentBuf, Timestamp, raw::cstr, rawdoc, spec::BinarySubtype};
use oplogsync_core::{
    checkpoint::Token,
    command::Command,
    diff::Diff,
    document::Document,
    entry::Operation,
    filter::{Filter, FilterId},
    testing::{
        documents::every_type,
        fuzzing::corpus::{Seed, seed},
    },
};

use crate::{
    change_stream::{Chunk, Decoder, MarkTime, ResumeToken, SourceId, StreamToken},
    scope::Scope,
};

const DATA: &str = "826B0744FF0000000A2B0229296E04";

/// An event, an answer of the server or a token, whatever it is: what is accepted holds what entries hold, and
/// reads as the same again.
///
/// # Panics
/// When it does not.
pub fn decode_event(bytes: &[u8]) {
    if let Ok(token) = StreamToken::decode(&Token::new(bytes)) {
        assert_eq!(StreamToken::decode(&token.encode()), Ok(token));
    }
    let Ok(raw) = RawDocument::from_bytes(bytes) else { return };
    let mut decoder = Decoder::new(Scope::Server, Filter::everything());
    if let Ok(Some(event)) = decoder.decode(raw) {
        assert!(ResumeToken::new(event.token.as_raw()).is_ok_and(|again| again == event.token));
        event.operation.iter().for_each(check);
    }
    // A second one behind it, which no fragment of another may be.
    drop(decoder.decode(raw));
    let opened_at = ResumeToken::new(&rawdoc! { "_data": DATA });
    if let Ok(opened_at) = opened_at
        && let Ok(chunk) = Chunk::read(raw, &mut decoder, MarkTime::Included, &opened_at)
    {
        assert!(chunk.mark.is_some() || chunk.failure.is_some());
        chunk.events.iter().filter_map(|event| event.operation.as_ref()).for_each(check);
    }
}

fn check(operation: &Operation) {
    match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => {
            assert!(Document::new(document.as_raw().to_owned()).is_ok());
        }
        Operation::Patch { diff, .. } => assert!(Diff::new(diff.as_raw().to_owned()).is_ok()),
        Operation::Command(command) => {
            let again = Command::parse(command.database().clone(), command.as_raw());
            assert!(again.is_ok_and(|again| again == *command));
        }
        Operation::Delete { .. } | Operation::Noop | Operation::NewTerm => {}
    }
}

fn event(kind: &str, fields: &RawDocument) -> RawDocumentBuf {
    let mut event = rawdoc! {
        "_id": { "_data": DATA }, "operationType": kind, "clusterTime": Timestamp { time: 5, increment: 6 },
        "wallTime": bson::DateTime::from_millis(0), "ns": { "db": "shop", "coll": "orders" },
    };
    for (name, value) in fields.into_iter().flatten() {
        event.append(name, value);
    }
    event
}

pub(super) fn seeds() -> Vec<Seed> {
    let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] };
    let index = rawdoc! { "v": 2, "key": { "t": 1 }, "name": "ttl", "expireAfterSeconds": 5 };
    let to = rawdoc! { "db": "shop", "coll": "sold" };
    let described = |description: RawDocumentBuf| rawdoc! { "operationDescription": description };
    let events = [
        ("insert", rawdoc! { "fullDocument": every_type(1), "documentKey": { "_id": 1 } }),
        (
            "replace",
            rawdoc! { "fullDocument": { "_id": 1 }, "documentKey": { "_id": 1 }, "txnNumber": 1_i64, "lsid": {} },
        ),
        (
            "update",
            rawdoc! {
                "documentKey": { "region": "eu", "_id": 1 },
                "rawUpdateDescription": { "$v": 2, "diff": { "u": { "x": 2 }, "sa": { "a": true, "l": 1 } } },
            },
        ),
        ("delete", rawdoc! { "documentKey": { "_id": { "a": 1 } } }),
        ("create", described(rawdoc! { "validator": { "x": 1 }, "idIndex": { "key": { "_id": 1 } } })),
        ("createIndexes", described(rawdoc! { "indexes": [index.clone()] })),
        ("dropIndexes", described(rawdoc! { "indexes": [index] })),
        ("modify", described(rawdoc! { "index": { "name": "ttl", "expireAfterSeconds": 7 } })),
        ("drop", rawdoc! {}),
        ("invalidate", rawdoc! {}),
        ("shardCollection", rawdoc! {}),
    ];
    let mut seeds: Vec<Seed> =
        events.iter().map(|(kind, fields)| seed(kind, event(kind, fields).into_bytes())).collect();
    let rename = rawdoc! { "to": to.clone(), "operationDescription": { "to": to, "dropTarget": uuid } };
    seeds.push(seed("rename", event("rename", &rename).into_bytes()));
    let mut fragment = event("insert", &rawdoc! {});
    fragment.append(cstr!("splitEvent"), rawdoc! { "fragment": 1, "of": 2 });
    seeds.push(seed("fragment", fragment.into_bytes()));
    let answer = rawdoc! {
        "cursor": {
            "nextBatch": [event("drop", &rawdoc! {})], "postBatchResumeToken": { "_data": DATA }, "id": 1_i64,
        },
        "operationTime": Timestamp { time: 5, increment: 6 },
    };
    seeds.push(seed("answer", answer.into_bytes()));
    if let Ok(resume) = ResumeToken::new(
        &rawdoc! { "_data": DATA, "_typeBits": Binary { subtype: BinarySubtype::Generic, bytes: vec![1] } },
    ) {
        let source = SourceId::Set(bson::oid::ObjectId::from_bytes([3; 12]));
        let token = StreamToken { source, filter: FilterId::from_bytes([7; 16]), resume };
        seeds.push(seed("token", token.encode().as_bytes()));
    }
    seeds
}
