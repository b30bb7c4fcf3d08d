use crate::{document::DocumentError, excerpt::excerpt};

/// Why a write is refused; code and name are those of MongoDB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({name}, code {code})")]
pub struct UpdateError {
    /// MongoDB's error code.
    pub code: i32,
    /// MongoDB's name of the code.
    pub name: &'static str,
    /// What is wrong, in short.
    pub message: String,
}

impl UpdateError {
    fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self { code, name, message: excerpt(&message.into()).into_owned() }
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(2, "BadValue", message)
    }

    pub(crate) fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(9, "FailedToParse", message)
    }

    /// Something that a mongod can do and we cannot.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::failed_to_parse(format!("{what} is not supported by oplogsync: read, change and replace the document"))
    }

    pub(crate) fn positional(part: &str) -> Self {
        Self::bad_value(format!("the positional operator `{part}` is not supported by oplogsync: name the index"))
    }

    pub(crate) fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(14, "TypeMismatch", message)
    }

    pub(crate) fn path_not_viable(part: &str) -> Self {
        Self::new(28, "PathNotViable", format!("the field `{part}` cannot be created: what is there is no document"))
    }

    pub(crate) fn conflict(path: &str) -> Self {
        Self::new(40, "ConflictingUpdateOperators", format!("two operators of the update conflict at `{path}`"))
    }

    pub(crate) fn cannot_backfill() -> Self {
        Self::new(34, "CannotBackfillArray", "an array cannot be filled up with more than 1,500,000 nulls at once")
    }

    /// A name with a dollar sign in front, where none may stand.
    pub(crate) fn dollar_field(name: &str) -> Self {
        match name {
            "$ref" | "$id" | "$db" => {
                Self::new(55, "InvalidDBRef", format!("the field `{name}` is no part of a DBRef"))
            }
            _ => {
                Self::new(52, "DollarPrefixedFieldName", format!("the field name `{name}` may not start with `$` here"))
            }
        }
    }

    pub(crate) fn invalid_id(message: impl Into<String>) -> Self {
        Self::new(53, "InvalidIdField", message)
    }

    pub(crate) fn illegal(message: impl Into<String>) -> Self {
        Self::new(20, "IllegalOperation", message)
    }

    pub(crate) fn namespace_not_found(ns: &str) -> Self {
        Self::new(26, "NamespaceNotFound", format!("there is no collection {ns}"))
    }

    pub(crate) fn index_not_found(name: &str) -> Self {
        Self::new(27, "IndexNotFound", format!("there is no index `{name}`"))
    }

    pub(crate) fn namespace_exists(ns: &str) -> Self {
        Self::new(48, "NamespaceExists", format!("there is a collection {ns} already"))
    }

    pub(crate) fn index_conflict(name: &str) -> Self {
        Self::new(86, "IndexKeySpecsConflict", format!("there is another index called `{name}`"))
    }

    pub(crate) fn is_view(ns: &str) -> Self {
        Self::new(166, "CommandNotSupportedOnView", format!("{ns} is a view"))
    }

    pub(crate) fn array_id() -> Self {
        Self::new(54, "NotSingleValueField", "an `_id` cannot be an array")
    }

    pub(crate) fn empty_field_name(path: &str) -> Self {
        Self::new(56, "EmptyFieldName", format!("the path `{path}` has an empty field name"))
    }

    pub(crate) fn immutable_id() -> Self {
        Self::new(66, "ImmutableField", "the `_id` of a document cannot be changed: delete it and insert another")
    }
}

impl From<DocumentError> for UpdateError {
    fn from(error: DocumentError) -> Self {
        let message = error.to_string();
        match error {
            DocumentError::TooLarge { .. } => Self::new(10334, "BSONObjectTooLarge", message),
            DocumentError::TooDeep => Self::new(15, "Overflow", message),
            DocumentError::Malformed { .. } => Self::new(22, "InvalidBSON", message),
            DocumentError::Id(_) => Self::invalid_id(message),
            _ => Self::bad_value(message),
        }
    }
}
