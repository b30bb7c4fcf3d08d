//! [`EventError`]: why an event is not replicated.

use bson::{RawBsonRef, RawDocument};
use oplogsync_core::{
    catalog::CatalogError, command::CommandError, diff::DiffError, doc_id::DocIdError, document::DocumentError,
    excerpt::excerpt, store_error::Fault,
};

use crate::{
    change_stream::token::TokenError,
    error::Failure,
    fields::FieldError,
    scope::{NameError, Place, Scope},
};

/// Why an event is not replicated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("its form is not known to this version")]
    Form(#[from] FieldError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("events of the type `{0}` are not known to this version: upgrade oplogsync, or leave the collection out")]
    Kind(String),
    #[error("it does not tell its change as the oplog does: MongoDB 6.0 or newer is needed")]
    NoDiff,
    #[error("its change has the form `$v: {0}`, which is not known to this version")]
    DiffVersion(i64),
    #[error("its change is none that is known to this version")]
    Diff(#[from] DiffError),
    #[error("its document cannot be replicated")]
    Document(#[from] DocumentError),
    #[error("its document's id is none")]
    Id(#[from] DocIdError),
    #[error("its command is not known to this version")]
    Command(#[from] CommandError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(
        "a collection that is never replicated gets a name that is: its documents have to be copied; sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    Enters,
    #[error("its fragments do not belong together")]
    Fragments,
    #[error("its fragments have more than {0} bytes")]
    TooLarge(usize),
}

/// The same, with what it is about.
#[derive(Debug, thiserror::Error)]
#[error("the {what} at {at}")]
struct Located {
    what: String,
    at: String,
    source: EventError,
}

impl EventError {
    /// The failure that names the event, as far as it can be read.
    pub(super) fn at(self, raw: &RawDocument, scope: &Scope) -> Failure {
        let text = |document: &RawDocument, field| match document.get(field) {
            Ok(Some(RawBsonRef::String(text))) => Some(text.to_owned()),
            _ => None,
        };
        let ns = match raw.get("ns") {
            Ok(Some(RawBsonRef::Document(ns))) => [text(ns, "db"), text(ns, "coll")],
            _ => [None, None],
        };
        let shown = |text: &str| excerpt(text).escape_default().to_string();
        let names: Vec<String> = ns.iter().flatten().map(|name| shown(name)).collect();
        let kind = text(raw, "operationType").map_or_else(|| "event".to_owned(), |kind| shown(&kind));
        let what = if names.is_empty() { kind } else { format!("{kind} of {}", names.join(".")) };
        let name = match ns {
            [Some(database), Some(collection)] => Some(scope.name(&Place { database, collection })),
            _ => None,
        };
        let at = match raw.get("clusterTime") {
            Ok(Some(RawBsonRef::Timestamp(at))) => format!("{}.{}", at.time, at.increment),
            _ => "an unknown time".to_owned(),
        };
        Failure::new(self.fault(name)).because(Located { what, at, source: self })
    }

    /// What it means for a collection with this name in the log.
    fn fault(&self, collection: Option<String>) -> Fault {
        let unreplicable = match self {
            Self::Name(error) => Some(error.name().to_owned()),
            Self::Kind(_)
            | Self::Catalog(CatalogError::Unsupported { .. } | CatalogError::UnknownOption(_))
            | Self::Command(CommandError::Catalog(CatalogError::Unsupported { .. } | CatalogError::UnknownOption(_))) => {
                collection
            }
            _ => None,
        };
        unreplicable.map_or(Fault::Incompatible, |name| Fault::Unreplicable { name })
    }
}
