//! [`Changes`]: what has happened to documents, as a change stream tells it.

use std::collections::HashMap;

use bson::{RawDocument, RawDocumentBuf, doc, rawdoc};
use mongodb::{Cursor, Database};
use oplogsync_core::doc_id::DocId;

/// The collection whose first new document ends a round.
const ROUNDS: &str = "rounds";

pub(super) struct Changes {
    database: Database,
    cursor: Cursor<bson::Document>,
}

/// What has happened to a document.
#[derive(Debug)]
pub(super) enum Change {
    /// It was updated; the diff of the oplog.
    Update(RawDocumentBuf),
    /// It was replaced; the new document.
    Replace(RawDocumentBuf),
}

impl Changes {
    /// All changes of the database from now on.
    pub(super) async fn of(database: &Database) -> Self {
        let stage = rawdoc! { "$changeStream": { "showExpandedEvents": true, "showRawUpdateDescription": true } };
        let command = rawdoc! { "aggregate": 1, "pipeline": [stage], "cursor": {} };
        let cursor = database.run_raw_cursor_command(command).await.unwrap();
        Self { database: database.clone(), cursor }
    }

    /// The updates and replacements since the last call, of which there was at most one for each
    /// document.
    pub(super) async fn round(&mut self) -> HashMap<DocId, Change> {
        self.database.collection::<bson::Document>(ROUNDS).insert_one(doc! {}).await.unwrap();
        let mut changes = HashMap::new();
        loop {
            assert!(self.cursor.advance().await.unwrap(), "the change stream has ended");
            let event = self.cursor.current();
            if event.get_document("ns").unwrap().get_str("coll").unwrap_or_default() == ROUNDS {
                if event.get_str("operationType").unwrap() == "insert" {
                    return changes;
                }
                continue;
            }
            let change = match event.get_str("operationType").unwrap() {
                "update" => Change::Update(diff_of(event)),
                "replace" => Change::Replace(event.get_document("fullDocument").unwrap().to_owned()),
                "insert" | "create" | "delete" => continue,
                other => panic!("an event {other}: {event:?}"),
            };
            let id = event.get_document("documentKey").unwrap().get("_id").unwrap().unwrap();
            let former = changes.insert(DocId::new(id.into()).unwrap(), change);
            assert!(former.is_none(), "two changes of {id:?}");
        }
    }
}

fn diff_of(event: &RawDocument) -> RawDocumentBuf {
    let description = event.get_document("rawUpdateDescription").unwrap();
    assert_eq!(description.get_i32("$v").unwrap(), 2, "{event:?}");
    description.get_document("diff").unwrap().to_owned()
}
