//! Reading a command strictly: what is missing, of a wrong type or unknown is an error.

use bson::{RawBsonRef, RawDocument};

use super::{Action, CommandError};
use crate::{
    catalog::{CollectionOptions, Index, document_of},
    element::{Element, Elements},
    excerpt::excerpt,
    namespace::{DatabaseName, Namespace},
};

/// What the document does.
pub(super) fn action(database: &DatabaseName, document: &RawDocument) -> Result<Action, CommandError> {
    let mut elements = Elements::of(document);
    let name = elements.next().map_or("", |first| first.name);
    let rest: Vec<Element<'_>> = elements.collect();
    let collection = |command| Ok::<_, CommandError>(database.collection(text(document, command, command)?)?);
    match name {
        "create" => {
            Ok(Action::Create { ns: collection("create")?, options: CollectionOptions::new(&document_of(&rest))? })
        }
        "drop" => {
            only("drop", &rest, &[])?;
            Ok(Action::Drop { ns: collection("drop")? })
        }
        "renameCollection" => rename(database, document, &rest),
        "dropDatabase" => {
            only("dropDatabase", &rest, &[])?;
            match document.get("dropDatabase") {
                Ok(Some(RawBsonRef::Int32(1) | RawBsonRef::Int64(1))) => {}
                Ok(Some(RawBsonRef::Double(number))) if number.to_bits() == 1_f64.to_bits() => {}
                _ => return Err(wrong("dropDatabase", "dropDatabase")),
            }
            Ok(Action::DropDatabase { database: database.clone() })
        }
        "createIndexes" => {
            only("createIndexes", &rest, &["indexes"])?;
            let mut indexes = Vec::new();
            for index in array(document, "createIndexes", "indexes")? {
                let RawBsonRef::Document(index) = index else { return Err(wrong("createIndexes", "indexes")) };
                indexes.push(Index::new(index)?);
            }
            Ok(Action::CreateIndexes { ns: collection("createIndexes")?, indexes })
        }
        "dropIndexes" => {
            only("dropIndexes", &rest, &["index"])?;
            let mut names = Vec::new();
            for name in array(document, "dropIndexes", "index")? {
                names.push(name.as_str().ok_or_else(|| wrong("dropIndexes", "index"))?.to_owned());
            }
            Ok(Action::DropIndexes { ns: collection("dropIndexes")?, names })
        }
        "collMod" => modify(collection("collMod")?, &rest),
        other => Err(CommandError::Unknown(excerpt(other).into_owned())),
    }
}

fn rename(database: &DatabaseName, document: &RawDocument, rest: &[Element<'_>]) -> Result<Action, CommandError> {
    const NAME: &str = "renameCollection";
    only(NAME, rest, &["to", "dropTarget"])?;
    let Ok(Some(RawBsonRef::Boolean(drop_target))) = document.get("dropTarget") else {
        return Err(wrong(NAME, "dropTarget"));
    };
    let ns = Namespace::new(text(document, NAME, NAME)?)?;
    if ns.database() != database.as_str() {
        return Err(wrong(NAME, NAME));
    }
    Ok(Action::Rename { ns, to: Namespace::new(text(document, NAME, "to")?)?, drop_target })
}

/// Which changes there are; what they say, the server judges.
fn modify(ns: Namespace, rest: &[Element<'_>]) -> Result<Action, CommandError> {
    const KNOWN: [&str; 7] = [
        "index",
        "validator",
        "validationLevel",
        "validationAction",
        "viewOn",
        "pipeline",
        "changeStreamPreAndPostImages",
    ];
    only("collMod", rest, &KNOWN)?;
    let changes = document_of(rest);
    match changes.get("index") {
        Ok(None) => {}
        Ok(Some(RawBsonRef::Document(index))) if matches!(index.get("name"), Ok(Some(RawBsonRef::String(_)))) => {}
        _ => return Err(wrong("collMod", "index")),
    }
    Ok(Action::Modify { ns, changes })
}

fn wrong(command: &'static str, field: &str) -> CommandError {
    CommandError::Field { command, field: excerpt(field).into_owned() }
}

/// Refuses a field that is not one of these.
fn only(command: &'static str, fields: &[Element<'_>], known: &[&str]) -> Result<(), CommandError> {
    let unknown = fields.iter().find(|field| !known.contains(&field.name));
    unknown.map_or(Ok(()), |field| Err(wrong(command, field.name)))
}

fn text<'a>(document: &'a RawDocument, command: &'static str, field: &str) -> Result<&'a str, CommandError> {
    match document.get(field) {
        Ok(Some(RawBsonRef::String(text))) => Ok(text),
        _ => Err(wrong(command, field)),
    }
}

/// The items of an array that has some.
fn array<'a>(
    document: &'a RawDocument,
    command: &'static str,
    field: &str,
) -> Result<Vec<RawBsonRef<'a>>, CommandError> {
    let Ok(Some(RawBsonRef::Array(array))) = document.get(field) else { return Err(wrong(command, field)) };
    let items: Vec<_> = array.into_iter().flatten().collect();
    if items.is_empty() { Err(wrong(command, field)) } else { Ok(items) }
}
