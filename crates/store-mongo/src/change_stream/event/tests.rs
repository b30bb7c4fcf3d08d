use bson::{Binary, RawDocumentBuf, Timestamp, raw::cstr, rawdoc, spec::BinarySubtype};
use oplogsync_core::{command::Action, store_error::Fault};

use super::*;

const DATA: &str = "826B0744FF0000000A2B0229296E04";

fn uuid() -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] }
}

/// An event of the collection `shop.orders` with these fields.
#[expect(clippy::needless_pass_by_value, reason = "fields are written where they are used")]
fn event(kind: &str, fields: RawDocumentBuf) -> RawDocumentBuf {
    let mut event = rawdoc! {
        "_id": { "_data": DATA }, "operationType": kind, "clusterTime": Timestamp { time: 5, increment: 6 },
        "collectionUUID": uuid(), "wallTime": bson::DateTime::from_millis(0), "ns": { "db": "shop", "coll": "orders" },
    };
    for field in &fields {
        let (name, value) = field.unwrap();
        event.append(name, value);
    }
    event
}

fn decoder(exclude: &[&str]) -> Decoder {
    let exclude: Vec<String> = exclude.iter().map(|text| (*text).to_owned()).collect();
    Decoder::new(Scope::Server, Filter::new(&[], &exclude, &[]).unwrap())
}

fn decoded(raw: &RawDocument) -> Option<Operation> {
    decoder(&[]).decode(raw).unwrap().unwrap().operation
}

fn action(raw: &RawDocument) -> Action {
    match decoded(raw) {
        Some(Operation::Command(command)) => command.action().clone(),
        other => panic!("{other:?}"),
    }
}

fn words(raw: &RawDocument) -> String {
    let failure = decoder(&[]).decode(raw).unwrap_err();
    assert!(matches!(failure.fault, Fault::Incompatible | Fault::Unreplicable { .. }), "{failure:?}");
    let error = failure.into_store_error("db1", "read");
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

fn ns(text: &str) -> Namespace {
    Namespace::new(text).unwrap()
}

fn rename(from: &str, to: &str, drop_target: bool) -> RawDocumentBuf {
    let place = |text: &str| {
        let (db, coll) = text.split_once('.').unwrap();
        rawdoc! { "db": db, "coll": coll }
    };
    let mut description = rawdoc! { "to": place(to) };
    if drop_target {
        description.append(cstr!("dropTarget"), uuid());
    }
    rawdoc! {
        "to": place(to), "_id": { "_data": DATA }, "operationType": "rename", "clusterTime": Timestamp { time: 5, increment: 6 },
        "ns": place(from), "operationDescription": description,
    }
}

#[test]
fn a_change_of_a_document_is_the_one_of_the_oplog() {
    let document = rawdoc! { "_id": 1, "x": 1 };
    let key = rawdoc! { "_id": 1 };
    let whole = Document::new(document.clone()).unwrap();
    let insert = event("insert", rawdoc! { "fullDocument": document.clone(), "documentKey": key.clone() });
    assert_eq!(decoded(&insert), Some(Operation::Insert { ns: ns("shop.orders"), document: whole.clone() }));
    let replace = event("replace", rawdoc! { "fullDocument": document, "documentKey": key.clone() });
    assert_eq!(decoded(&replace), Some(Operation::Update { ns: ns("shop.orders"), document: whole.clone() }));
    let diff = rawdoc! { "u": { "x": 2 } };
    let raw = rawdoc! { "$v": 2, "diff": diff.clone() };
    let update = event("update", rawdoc! { "documentKey": key.clone(), "rawUpdateDescription": raw });
    let patch = Operation::Patch { ns: ns("shop.orders"), id: whole.id(), diff: Diff::new(diff).unwrap() };
    assert_eq!(decoded(&update), Some(patch));
    let sharded = event("delete", rawdoc! { "documentKey": { "region": "eu", "_id": 1 } });
    assert_eq!(decoded(&sharded), Some(Operation::Delete { ns: ns("shop.orders"), id: whole.id() }));
}

#[test]
fn an_event_tells_its_time_and_whether_it_is_in_a_transaction() {
    let delete = event("delete", rawdoc! { "documentKey": { "_id": 1 } });
    let alone = decoder(&[]).decode(&delete).unwrap().unwrap();
    assert_eq!((alone.optime, alone.is_in_transaction), (OpTime::from_timestamp(5, 6), false));
    let within = event("delete", rawdoc! { "documentKey": { "_id": 1 }, "txnNumber": 5_i64, "lsid": { "id": uuid() } });
    assert!(decoder(&[]).decode(&within).unwrap().unwrap().is_in_transaction);
}

#[test]
fn a_change_of_a_collection_is_the_command_that_makes_it() {
    let description = rawdoc! { "validator": { "x": 1 }, "idIndex": { "v": 2, "key": { "_id": 1 }, "name": "_id_" } };
    let create = event("create", rawdoc! { "operationDescription": description, "nsType": "collection" });
    assert!(
        matches!(action(&create), Action::Create { options, .. } if options.as_raw().get("validator").unwrap().is_some())
    );
    assert!(matches!(action(&event("drop", rawdoc! {})), Action::Drop { .. }));
    let indexes = rawdoc! { "indexes": [{ "v": 2, "key": { "t": 1 }, "name": "ttl", "expireAfterSeconds": 5 }] };
    match action(&event("createIndexes", rawdoc! { "operationDescription": indexes.clone() })) {
        // The source's deletions are replicated.
        Action::CreateIndexes { indexes, .. } => assert_eq!(indexes[0].on_replica(), indexes[0]),
        other => panic!("{other:?}"),
    }
    let dropped = action(&event("dropIndexes", rawdoc! { "operationDescription": indexes }));
    assert_eq!(dropped, Action::DropIndexes { ns: ns("shop.orders"), names: vec!["ttl".to_owned()] });
    let changes = rawdoc! { "index": { "name": "x", "hidden": true } };
    let modify = rawdoc! { "operationDescription": changes.clone(), "stateBeforeChange": { "any": "thing" } };
    assert_eq!(action(&event("modify", modify)), Action::Modify { ns: ns("shop.orders"), changes });
}

#[test]
fn a_collection_is_renamed_within_out_of_or_into_what_is_replicated() {
    let (from, to) = (ns("shop.a"), ns("shop.b"));
    let renamed = Action::Rename { ns: from.clone(), to, drop_target: true };
    assert_eq!(action(&rename("shop.a", "shop.b", true)), renamed);
    assert_eq!(action(&rename("shop.a", "shop.system.b", false)), Action::Drop { ns: from });
    assert!(words(&rename("oplogsync.a", "shop.b", false)).contains("sync the replica anew"));
    let operation = |exclude: &[&str], raw: &RawDocument| decoder(exclude).decode(raw).unwrap().unwrap().operation;
    assert_eq!(operation(&["shop"], &rename("shop.a", "shop.b", false)), None);
    assert!(operation(&["shop.a"], &rename("shop.a", "shop.b", false)).is_some());
    assert_eq!(operation(&["shop.a"], &rename("shop.a", "oplogsync.b", false)), None);
}

#[test]
fn a_database_goes_where_any_of_it_may_be_replicated() {
    let mut drop = rawdoc! { "_id": { "_data": DATA }, "operationType": "dropDatabase" };
    drop.append(cstr!("clusterTime"), Timestamp { time: 5, increment: 6 });
    drop.append(cstr!("ns"), rawdoc! { "db": "shop" });
    assert!(matches!(action(&drop), Action::DropDatabase { database } if database.as_str() == "shop"));
    // Its views go without a word.
    let in_part = decoder(&["shop.a"]).decode(&drop).unwrap().unwrap().operation;
    assert!(matches!(in_part, Some(Operation::Command(_))), "{in_part:?}");
    let filter = Filter::new(&["crm.a".to_owned()], &[], &[]).unwrap();
    assert_eq!(Decoder::new(Scope::Server, filter).decode(&drop).unwrap().unwrap().operation, None);
}

#[test]
fn what_a_filter_leaves_out_or_is_never_replicated_may_be_anything() {
    let strange = event("refineCollectionShardKey", rawdoc! { "any": "thing" });
    assert_eq!(decoder(&["shop"]).decode(&strange).unwrap().unwrap().operation, None);
    let capped = event("create", rawdoc! { "operationDescription": { "capped": true, "size": 4096 } });
    assert_eq!(decoder(&["shop.orders"]).decode(&capped).unwrap().unwrap().operation, None);
}

/// `$` is in no name that a newer server takes.
#[test]
fn a_name_that_is_none_is_refused_unless_it_is_left_out() {
    let of = |collection: &str| {
        let mut insert = rawdoc! { "_id": { "_data": DATA }, "operationType": "delete", "documentKey": { "_id": 1 } };
        insert.append(cstr!("clusterTime"), Timestamp { time: 5, increment: 6 });
        insert.append(cstr!("ns"), rawdoc! { "db": "shop", "coll": collection });
        insert
    };
    let failure = decoder(&[]).decode(&of("a$b")).unwrap_err();
    assert_eq!(failure.fault, Fault::Unreplicable { name: "shop.a$b".to_owned() });
    for exclude in ["shop", "shop.a$b"] {
        assert_eq!(decoder(&[exclude]).decode(&of("a$b")).unwrap().unwrap().operation, None, "{exclude}");
    }
    let dotted = Operation::Delete { ns: ns("shop.en.d."), id: DocId::new(1.into()).unwrap() };
    assert_eq!(decoded(&of("en.d.")), Some(dotted));
    assert!(words(&rename("shop.a", "shop.a$b", false)).contains("shop.a$b"));
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    let refused = |kind: &str| words(&event(kind, rawdoc! { "operationDescription": {} }));
    for kind in ["shardCollection", "reshardCollection", "refineCollectionShardKey", "somethingNew"] {
        let words = refused(kind);
        assert!(words.contains(kind) && words.contains("shop.orders") && words.contains("5.6"), "{words}");
    }
    let more = event("drop", rawdoc! { "somethingNew": 1 });
    assert!(words(&more).contains("somethingNew"));
    let old = rawdoc! { "documentKey": { "_id": 1 }, "rawUpdateDescription": { "$v": 1, "$set": { "x": 1 } } };
    assert!(words(&event("update", old)).contains("$v: 1"));
    let lossy = rawdoc! { "documentKey": { "_id": 1 }, "updateDescription": { "updatedFields": { "x": 1 } } };
    assert!(words(&event("update", lossy)).contains("6.0"));
    let capped = words(&event("create", rawdoc! { "operationDescription": { "capped": true, "size": 4096 } }));
    assert!(capped.contains("shop.orders") && capped.contains("[filter] exclude"), "{capped}");
    let series = rawdoc! { "operationDescription": { "viewOn": "system.buckets.orders", "pipeline": [] } };
    assert!(words(&event("create", series)).contains("time-series"));
}

#[test]
fn fragments_are_put_together_in_their_order() {
    let fragment = |number: i32, of: i32, data: &str, fields: RawDocumentBuf| {
        let mut fragment = rawdoc! { "_id": { "_data": data }, "splitEvent": { "fragment": number, "of": of } };
        for field in &fields {
            let (name, value) = field.unwrap();
            fragment.append(name, value);
        }
        fragment
    };
    let last = "826B0744FF0000000B2B0229296E04";
    let first = fragment(
        1,
        2,
        DATA,
        rawdoc! {
            "operationType": "insert", "clusterTime": Timestamp { time: 5, increment: 6 },
            "ns": { "db": "shop", "coll": "orders" },
        },
    );
    let second = fragment(2, 2, last, rawdoc! { "fullDocument": { "_id": 1 }, "documentKey": { "_id": 1 } });
    let mut joining = decoder(&[]);
    assert_eq!(joining.decode(&first).unwrap(), None);
    let whole = joining.decode(&second).unwrap().unwrap();
    assert!(matches!(whole.operation, Some(Operation::Insert { .. })));
    assert_eq!(whole.token, ResumeToken::new(&rawdoc! { "_data": last }).unwrap());
    assert!(joining.decode(&event("delete", rawdoc! { "documentKey": { "_id": 1 } })).unwrap().is_some());

    let refused = |fragments: &[&RawDocument]| {
        let mut joining = decoder(&[]);
        let (last, before) = fragments.split_last().unwrap();
        for fragment in before {
            assert_eq!(joining.decode(fragment).unwrap(), None);
        }
        assert!(joining.decode(last).is_err());
    };
    refused(&[&second]);
    refused(&[&first, &first]);
    refused(&[&first, &fragment(2, 3, last, rawdoc! {})]);
    refused(&[&first, &event("delete", rawdoc! { "documentKey": { "_id": 1 } })]);
    refused(&[&fragment(0, 0, DATA, rawdoc! {})]);
}
