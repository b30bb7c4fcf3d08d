//! Writes of callers.

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    documents::Documents,
    log::Log,
    memory::MemoryStore,
    namespace::Namespace,
    primary::{Primary, PrimaryOptions, WriteError},
    testing::{
        documents::{id, namespace},
        hostile::{HostileDocument, large_documents, small_documents},
        manual_host::ManualHost,
        ready::ready,
    },
    write::Write,
};

use crate::{
    alone::alone,
    cost::{REFUSED_KIB_MAX, within_bounds},
};

/// A document that is taken is in the log and in the documents afterwards, and its id beside it.
const TAKEN_KIB_MAX: u64 = 4 * REFUSED_KIB_MAX;

#[test]
fn a_hostile_insert_is_refused_or_taken_as_a_mongod_takes_it() {
    alone("writing::a_hostile_insert_is_refused_or_taken_as_a_mongod_takes_it", || {
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let taken = match hostile.name {
                // An insert adds an `_id`, or moves it to the front, as a mongod does.
                "id-missing" | "id-not-first" => true,
                // A replica writes by replacement, which cannot carry this; a mongod takes it from 5.0 on.
                "name-dollar" => false,
                _ => hostile.accepted,
            };
            write(hostile, taken, "insert", |ns, document| Write::Insert { ns, document });
        }
    });
}

#[test]
fn a_hostile_replacement_is_refused_unless_it_keeps_the_id() {
    alone("writing::a_hostile_replacement_is_refused_unless_it_keeps_the_id", || {
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let taken = hostile.name == "id-missing";
            let replace = |ns, document| Write::Replace { ns, id: id(7), document, upsert: false };
            write(hostile, taken, "replacement", replace);
        }
    });
}

#[test]
fn a_hostile_document_is_refused_as_an_update() {
    alone("writing::a_hostile_document_is_refused_as_an_update", || {
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let update = |ns, update| Write::Update { ns, id: id(7), update, upsert: true };
            write(hostile, false, "update", update);
        }
    });
}

/// Makes a write of the document, and checks that it is taken, or refused without a trace.
fn write(hostile: HostileDocument, taken: bool, kind: &str, of: impl FnOnce(Namespace, RawDocumentBuf) -> Write) {
    // What frames no bytes is no raw document, and cannot come here.
    let Ok(raw) = RawDocumentBuf::from_bytes(hostile.bytes) else { return };
    let (ns, case) = (namespace("items"), format!("{} as {kind}", hostile.name));
    let store = MemoryStore::new("db1");
    let options = PrimaryOptions::default();
    let primary = ready(Primary::open(store.clone(), ManualHost::standing(1), options)).unwrap();
    let own = Write::Insert { ns: ns.clone(), document: rawdoc! { "_id": 7, "n": 1 } };
    ready(primary.write(own)).unwrap();
    let state = || (ready(store.digest(&ns)).unwrap(), ready(store.log_ends()).unwrap());
    let before = state();
    let size = raw.as_bytes().len();
    let write = of(ns.clone(), raw);
    let kib_max = if taken { TAKEN_KIB_MAX } else { REFUSED_KIB_MAX };
    match within_bounds(&case, size, kib_max, || ready(primary.write(write))) {
        Ok(written) => {
            assert!(taken, "{case} was taken: {:?}", written.outcome);
            assert_ne!(state(), before);
        }
        Err(error) => {
            assert!(!taken, "{case} was refused: {error}");
            assert!(matches!(error, WriteError::Refused(_)), "{case}: {error:?}");
            assert_eq!(state(), before);
        }
    }
}
