//! Events that change collections or indexes.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr};
use oplogsync_core::{
    catalog::{CatalogError, CollectionOptions, Index},
    command::{Action, Command},
    entry::Operation,
    excerpt::excerpt,
    namespace::{DatabaseName, Namespace},
};

use super::{Decoder, EventError, Seen};
use crate::{
    fields::{FieldError, Fields},
    scope::Place,
};

/// How the server keeps the measurements of a time series.
const BUCKETS: &str = "system.buckets.";

/// What an event about one collection does, as a replica does it.
pub(super) fn decode(kind: &str, ns: Namespace, fields: &mut Fields<'_>) -> Result<Operation, EventError> {
    let action = match kind {
        "drop" => Action::Drop { ns },
        "create" => create(ns, fields.document("operationDescription")?)?,
        "createIndexes" => {
            let indexes = specifications(fields)?.into_iter().map(Index::new);
            Action::CreateIndexes { ns, indexes: indexes.collect::<Result<_, _>>()? }
        }
        "dropIndexes" => {
            let names = specifications(fields)?.into_iter().map(|index| Ok(Index::new(index)?.name().to_owned()));
            Action::DropIndexes { ns, names: names.collect::<Result<_, EventError>>()? }
        }
        "modify" => modify(&ns, fields.document("operationDescription")?)?,
        other => return Err(EventError::Kind(excerpt(other).escape_default().to_string())),
    };
    Ok(Operation::Command(Command::new(action.on_replica())))
}

fn create(ns: Namespace, description: &RawDocument) -> Result<Action, EventError> {
    if matches!(description.get("viewOn"), Ok(Some(RawBsonRef::String(on))) if on.starts_with(BUCKETS)) {
        let (kind, why) = ("time-series", "its changes are not told by document");
        return Err(CatalogError::Unsupported { kind, why }.into());
    }
    Ok(Action::Create { ns, options: CollectionOptions::new(description)? })
}

/// The changes, checked by being read as the command that they are.
fn modify(ns: &Namespace, changes: &RawDocument) -> Result<Action, EventError> {
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("collMod"), ns.collection());
    for field in changes {
        let (name, value) = field.map_err(|_| FieldError::Malformed)?;
        command.append(name, value);
    }
    Ok(Command::parse(ns.database_name(), &command)?.action().clone())
}

fn specifications<'a>(fields: &mut Fields<'a>) -> Result<Vec<&'a RawDocument>, EventError> {
    let mut description = Fields::new(fields.document("operationDescription")?)?;
    let indexes = description.take("indexes")?.as_array().ok_or(FieldError::Type("indexes"))?;
    let mut found = Vec::new();
    for index in indexes {
        let index = index.map_err(|_| FieldError::Malformed)?;
        found.push(index.as_document().ok_or(FieldError::Type("indexes"))?);
    }
    description.end()?;
    if found.is_empty() { Err(FieldError::Missing("indexes").into()) } else { Ok(found) }
}

impl Decoder {
    pub(super) fn rename(&mut self, from: &Seen, mut fields: Fields<'_>) -> Result<Option<Operation>, EventError> {
        let mut description = Fields::new(fields.document("operationDescription")?)?;
        let to = self.seen(description.document("to")?)?;
        // The identity of the collection that goes, if one does.
        let drop_target = description.optional("dropTarget").is_some();
        description.end()?;
        fields.take("to")?;
        fields.end()?;
        let action = match (&from.ns, &to.ns) {
            (Some(ns), Some(name)) if from.is_included || to.is_included => {
                Action::Rename { ns: ns.clone(), to: name.clone(), drop_target }
            }
            (Some(ns), None) if from.is_included => Action::Drop { ns: ns.clone() },
            (None, Some(_)) if to.is_included => return Err(EventError::Enters),
            _ => return Ok(None),
        };
        Ok(Some(Operation::Command(Command::new(action))))
    }

    /// Of views no event has told that they go with their database: a target that holds only some of its
    /// collections has to know it too.
    pub(super) fn drop_database(&self, mut fields: Fields<'_>) -> Result<Option<Operation>, EventError> {
        let mut ns = Fields::new(fields.document("ns")?)?;
        let database = ns.text("db")?.to_owned();
        ns.end()?;
        fields.end()?;
        let any = self.scope.logical(&Place { database, collection: "any".to_owned() });
        let included = self.filter.databases();
        let database: Option<DatabaseName> = any.map(|ns| ns.database_name());
        let concerned =
            database.filter(|database| included.as_ref().is_none_or(|names| names.contains(&database.as_str())));
        Ok(concerned.map(|database| Operation::Command(Command::new(Action::DropDatabase { database }))))
    }
}
