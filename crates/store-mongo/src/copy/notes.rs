//! The notes of an initial sync: one document each in the collection `sync`, `{ _id: NAME, v: 1, note: {..} }`.

use bson::{RawArrayBuf, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{initial_sync::Note, store_error::Fault};

use crate::{
    command::Verb,
    error::Failure,
    fields::{FieldError, Fields},
    hold::Hold,
    query::Flow,
    scope::Place,
    store::MongoStore,
};

/// A document of the collection that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("a note of the initial sync in {place} has a form that is not known to this version")]
struct Unreadable {
    place: Place,
    source: FieldError,
}

fn read(document: &RawDocument) -> Result<Note, FieldError> {
    let mut fields = Fields::new(document)?;
    fields.version()?;
    let note = Note { name: fields.text("_id")?.to_owned(), document: Some(fields.document("note")?.to_owned()) };
    fields.end()?;
    Ok(note)
}

/// What makes a note what it is to be; and by which command.
fn statement(note: &Note) -> (Verb, RawDocumentBuf) {
    let filter = rawdoc! { "_id": { "$eq": note.name.as_str() } };
    match &note.document {
        Some(document) => {
            let stored = rawdoc! { "_id": note.name.as_str(), "v": 1, "note": document.clone() };
            (Verb::Update, rawdoc! { "q": filter, "u": stored, "upsert": true })
        }
        None => (Verb::Delete, rawdoc! { "q": filter, "limit": 1 }),
    }
}

impl MongoStore {
    fn sync(&self) -> Place {
        self.own("sync")
    }

    pub(super) async fn read_notes(&self) -> Result<Vec<Note>, Failure> {
        let place = self.sync();
        let mut command = self.find_command(&place, rawdoc! {});
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut notes = Vec::new();
        self.query(&place.database, command, |document| {
            let unreadable = |source| Unreadable { place: place.clone(), source };
            notes.push(read(document).map_err(|error| Failure::new(Fault::Incompatible).because(unreadable(error)))?);
            Ok(Flow::More)
        })
        .await?;
        Ok(notes)
    }

    /// Writes notes in their order: one is durable before the next is sent in another command, and of one
    /// command the first ones are kept when a later one is refused.
    pub(super) async fn write_notes(&self, hold: &Hold<'_>, notes: &[Note]) -> Result<(), Failure> {
        let statements: Vec<(Verb, RawDocumentBuf)> = notes.iter().map(statement).collect();
        let mut rest = statements.as_slice();
        let mut sent = false;
        while let Some((verb, _)) = rest.first() {
            let same = rest.iter().take_while(|(other, _)| other == verb).map(|(_, one)| one.as_bytes().len());
            let (these, others) = rest.split_at(self.fitting(same));
            let one: RawArrayBuf = these.iter().map(|(_, statement)| statement.as_ref()).collect();
            let written = async {
                self.still_holds(hold).await?;
                let reply = self.write(&self.sync(), *verb, one, true, None).await?;
                reply.errors.first().map_or(Ok(()), |error| Err(Failure::from_write_error(error)))
            };
            written.await.map_err(|failure: Failure| if sent { failure.after_a_write() } else { failure })?;
            sent = true;
            rest = others;
        }
        Ok(())
    }
}
