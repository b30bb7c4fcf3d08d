//! [`Command`]: a change of collections or indexes (DDL), as an entry carries it.

use std::fmt;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use crate::{
    catalog::{CatalogError, CollectionOptions, Index, document_of, never_expiring},
    document::DocumentError,
    element::Elements,
    namespace::{DatabaseName, Namespace, NamespaceError},
    raw_check,
};

/// What a [`Command`] does. Every one of them can be done again without harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A collection or view comes into being.
    Create {
        /// Which.
        ns: Namespace,
        /// How.
        options: CollectionOptions,
    },
    /// A collection or view goes, with its documents and indexes.
    Drop {
        /// Which.
        ns: Namespace,
    },
    /// A collection gets another name, with its documents and indexes.
    Rename {
        /// The name it has.
        ns: Namespace,
        /// The name it gets.
        to: Namespace,
        /// Whether a collection that has that name goes.
        drop_target: bool,
    },
    /// Everything in a database goes, but what belongs to the server or to oplogsync.
    DropDatabase {
        /// Which.
        database: DatabaseName,
    },
    /// A collection gets indexes; those that it has already stay.
    CreateIndexes {
        /// Where.
        ns: Namespace,
        /// At least one.
        indexes: Vec<Index>,
    },
    /// A collection loses indexes.
    DropIndexes {
        /// Where.
        ns: Namespace,
        /// The names of those.
        names: Vec<String>,
    },
    /// The options of a collection, or of one of its indexes, change (`collMod`).
    Modify {
        /// Where.
        ns: Namespace,
        /// The options, and `index: { name, .. }`.
        changes: RawDocumentBuf,
    },
}

/// A change of collections or indexes, kept as the bytes that were logged.
///
/// The document is that of MongoDB's command: `{ create: "orders", validator: .. }`,
/// `{ drop: "orders" }`, `{ renameCollection: "shop.a", to: "shop.b", dropTarget: true }`,
/// `{ dropDatabase: 1 }`, `{ createIndexes: "orders", indexes: [..] }`,
/// `{ dropIndexes: "orders", index: [..] }`, `{ collMod: "orders", .. }`.
#[derive(Clone, PartialEq)]
pub struct Command {
    database: DatabaseName,
    document: RawDocumentBuf,
    action: Action,
}

/// Why a document is no [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A command that this version does not know.
    #[error("the command `{0}` is unknown to this version: upgrade oplogsync")]
    Unknown(String),
    /// A field is missing, has a wrong type, or is unknown.
    #[error("the field `{field}` of the command `{command}` is missing, wrong or unknown")]
    Field {
        /// The command.
        command: &'static str,
        /// The field.
        field: String,
    },
    /// A name that may not be replicated.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Options or an index that cannot be replicated.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Bytes that are no BSON.
    #[error(transparent)]
    Malformed(#[from] DocumentError),
}

impl Command {
    /// The command that does `action`.
    pub fn new(action: Action) -> Self {
        Self { database: action.database(), document: action.to_document(), action }
    }

    /// Takes a command as it was logged for a database.
    ///
    /// # Errors
    /// [`CommandError`] names what is not known or not right.
    pub fn parse(database: DatabaseName, document: &RawDocument) -> Result<Self, CommandError> {
        raw_check::check(document.as_bytes())?;
        let action = parse::action(&database, document)?;
        Ok(Self { database, document: document.to_owned(), action })
    }

    /// The database that it was given to.
    pub fn database(&self) -> &DatabaseName {
        &self.database
    }

    /// The command as a document.
    pub fn as_raw(&self) -> &RawDocument {
        &self.document
    }

    /// What it does.
    pub fn action(&self) -> &Action {
        &self.action
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:?}", self.database, self.document)
    }
}

impl Action {
    /// The database that is concerned; of a renamed collection the one that it was in.
    pub fn database(&self) -> DatabaseName {
        match self {
            Self::DropDatabase { database } => database.clone(),
            Self::Create { ns, .. }
            | Self::Drop { ns }
            | Self::Rename { ns, .. }
            | Self::CreateIndexes { ns, .. }
            | Self::DropIndexes { ns, .. }
            | Self::Modify { ns, .. } => ns.database_name(),
        }
    }

    /// The collection that is concerned; of a renamed one its former name.
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::DropDatabase { .. } => None,
            Self::Create { ns, .. }
            | Self::Drop { ns }
            | Self::Rename { ns, .. }
            | Self::CreateIndexes { ns, .. }
            | Self::DropIndexes { ns, .. }
            | Self::Modify { ns, .. } => Some(ns),
        }
    }

    /// The same as a replica does it: nothing expires there by an index, since the source's deletions
    /// are replicated.
    #[must_use]
    pub fn on_replica(self) -> Self {
        match self {
            Self::CreateIndexes { ns, indexes } => {
                Self::CreateIndexes { ns, indexes: indexes.iter().map(Index::on_replica).collect() }
            }
            Self::Modify { ns, changes } => Self::Modify { ns, changes: modify_on_replica(&changes) },
            other => other,
        }
    }

    fn to_document(&self) -> RawDocumentBuf {
        match self {
            Self::Create { ns, options } => with_fields(&rawdoc! { "create": ns.collection() }, options.as_raw()),
            Self::Drop { ns } => rawdoc! { "drop": ns.collection() },
            Self::Rename { ns, to, drop_target } => {
                rawdoc! { "renameCollection": ns.as_str(), "to": to.as_str(), "dropTarget": *drop_target }
            }
            Self::DropDatabase { .. } => rawdoc! { "dropDatabase": 1 },
            Self::CreateIndexes { ns, indexes } => {
                let indexes: bson::RawArrayBuf = indexes.iter().map(Index::as_raw).collect();
                rawdoc! { "createIndexes": ns.collection(), "indexes": indexes }
            }
            Self::DropIndexes { ns, names } => {
                let names: bson::RawArrayBuf = names.iter().map(String::as_str).collect();
                rawdoc! { "dropIndexes": ns.collection(), "index": names }
            }
            Self::Modify { ns, changes } => with_fields(&rawdoc! { "collMod": ns.collection() }, changes),
        }
    }
}

fn with_fields(head: &RawDocument, rest: &RawDocument) -> RawDocumentBuf {
    document_of(&Elements::of(head).chain(Elements::of(rest)).collect::<Vec<_>>())
}

fn modify_on_replica(changes: &RawDocument) -> RawDocumentBuf {
    let Ok(Some(RawBsonRef::Document(index))) = changes.get("index") else { return changes.to_owned() };
    let kept: Vec<_> = Elements::of(index).filter(|field| field.name != "expireAfterSeconds").collect();
    let never = never_expiring(index);
    let index = document_of(&kept.into_iter().chain(Elements::of(&never)).collect::<Vec<_>>());
    let others: Vec<_> = Elements::of(changes).filter(|field| field.name != "index").collect();
    with_fields(&rawdoc! { "index": index }, &document_of(&others))
}

mod parse;
#[cfg(test)]
mod tests;
