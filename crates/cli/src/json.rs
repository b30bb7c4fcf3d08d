//! Documents as people type and read them: MongoDB's extended JSON, relaxed or canonical.

use bson::{Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use oplogsync_core::doc_id::DocId;
use serde_json::Value;

use crate::{exit::Exit, failure::Failure};

/// A document from JSON; the order of its fields is kept.
pub(crate) fn to_document(text: &str) -> Result<RawDocumentBuf, Failure> {
    let value: Value = serde_json::from_str(text).map_err(|error| usage("the data is no JSON", &error))?;
    if !value.is_object() {
        return Err(Failure::message(Exit::Usage, "the data must be a JSON object, for example {\"qty\": 1}"));
    }
    match Bson::try_from(value).map_err(|error| usage("the data is no extended JSON", &error))? {
        Bson::Document(document) => {
            RawDocumentBuf::try_from(&document).map_err(|error| usage("the data cannot be a document", &error))
        }
        _ => Err(Failure::message(Exit::Usage, "the data is a single value: it must be a document")),
    }
}

/// An id from JSON; what is no JSON is taken as a string.
pub(crate) fn to_id(text: &str) -> Result<DocId, Failure> {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let value = Bson::try_from(value).map_err(|error| usage("the id is no extended JSON", &error))?;
    let value = RawBson::try_from(value).map_err(|error| usage("the id cannot be a value", &error))?;
    DocId::new(value).map_err(|error| Failure::new(Exit::Usage, error))
}

/// A value as relaxed extended JSON.
pub(crate) fn from_value(value: RawBsonRef<'_>) -> Result<Value, Failure> {
    let value = Bson::try_from(value).map_err(|error| Failure::unexpected(error, "show a value"))?;
    Ok(value.into_relaxed_extjson())
}

/// A document as relaxed extended JSON.
pub(crate) fn from_document(document: &RawDocument) -> Result<Value, Failure> {
    from_value(RawBsonRef::Document(document))
}

fn usage(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::message(Exit::Usage, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_fields_is_kept() {
        let document = to_document(r#"{"z": 1, "a": {"y": 1, "b": 2}, "m": 3}"#).unwrap();
        let keys: Vec<_> = document.iter_elements().map(|field| field.unwrap().key().to_string()).collect();
        assert_eq!(keys, ["z", "a", "m"]);
    }

    #[test]
    fn both_forms_of_extended_json_are_read() {
        let relaxed = to_document(r#"{"a": 1, "d": {"$date": "2026-01-02T03:04:05Z"}}"#).unwrap();
        let canonical =
            to_document(r#"{"a": {"$numberInt": "1"}, "d": {"$date": {"$numberLong": "1767323045000"}}}"#).unwrap();
        assert_eq!(relaxed, canonical);
    }

    #[test]
    fn an_id_that_is_no_json_is_a_string() {
        assert_eq!(to_id("abc").unwrap(), DocId::new(RawBson::String("abc".to_owned())).unwrap());
        assert_eq!(to_id("7").unwrap(), DocId::new(RawBson::Int32(7)).unwrap());
        assert_eq!(to_id("[1]").unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[1]", "1", "{\"a\":", r#"{"$oid": "507f191e810c19729de860ea"}"#] {
            assert_eq!(to_document(text).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }
}
