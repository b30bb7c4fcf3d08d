//! The records beside documents.

use bson::{RawDocument, RawDocumentBuf};
use oplogsync_core::{
    catalog::{Collection, CollectionOptions, Index},
    checkpoint::{Checkpoint, Resume, Stop, Token},
    digest::NamespaceDigest,
    document::DocumentError,
    filter::FilterId,
    ids::LogId,
    namespace::Namespace,
    position::{Anchor, Position},
};

use super::{Record, Unreadable, of_log::StoredCheckpoint};
use crate::place::Place;

/// More than the options and the indexes of a collection can have that a server takes.
const COLLECTION_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) type StoredResume = ([u8; 16], Option<Vec<u8>>);

impl Record for Checkpoint {
    type Stored = StoredCheckpoint;

    fn to_stored(&self) -> Self::Stored {
        (self.log.to_bytes(), self.anchor.to_stored())
    }

    fn from_stored((log, anchor): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { log: LogId::from_bytes(log), anchor: Anchor::from_stored(anchor)? })
    }
}

impl Record for Resume {
    type Stored = StoredResume;

    fn to_stored(&self) -> Self::Stored {
        (self.filter.to_bytes(), self.token.as_ref().map(|token| token.as_bytes().to_vec()))
    }

    fn from_stored((filter, token): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { filter: FilterId::from_bytes(filter), token: token.map(Token::new) })
    }
}

impl Record for Stop {
    type Stored = ((u64, u64), bool, String);

    fn to_stored(&self) -> Self::Stored {
        (self.at.to_stored(), self.too_stale, self.reason.clone())
    }

    fn from_stored((at, too_stale, reason): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { at: Position::from_stored(at)?, too_stale, reason })
    }
}

impl Record for NamespaceDigest {
    type Stored = (u64, u128);

    fn to_stored(&self) -> Self::Stored {
        (self.count, self.sum)
    }

    fn from_stored((count, sum): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { count, sum })
    }
}

impl Record for Collection {
    const BYTES_MAX: u64 = COLLECTION_BYTES_MAX;

    /// Its namespace, its options and its indexes.
    type Stored = (String, Vec<u8>, Vec<Vec<u8>>);

    fn to_stored(&self) -> Self::Stored {
        let indexes = self.indexes.iter().map(|index| index.as_raw().as_bytes().to_vec());
        (self.ns.as_str().to_owned(), self.options.as_raw().as_bytes().to_vec(), indexes.collect())
    }

    fn from_stored((ns, options, indexes): Self::Stored) -> Result<Self, Unreadable> {
        let indexes = indexes.iter().map(|index| Ok(Index::new(raw(index)?)?)).collect::<Result<_, Unreadable>>()?;
        Ok(Self { ns: Namespace::new(&ns)?, options: CollectionOptions::new(raw(&options)?)?, indexes })
    }
}

fn raw(bytes: &[u8]) -> Result<&RawDocument, Unreadable> {
    RawDocument::from_bytes(bytes).map_err(|_| unframed().into())
}

fn unframed() -> DocumentError {
    DocumentError::Malformed { offset: 0, what: "the length does not frame the bytes" }
}

/// The document of a note, from the payload of its record.
pub(crate) fn note_document(payload: &[u8]) -> Result<RawDocumentBuf, Unreadable> {
    RawDocumentBuf::from_bytes(payload.to_vec()).map_err(|_| unframed().into())
}

impl Record for Place {
    type Stored = Vec<u8>;

    fn to_stored(&self) -> Self::Stored {
        self.as_bytes().to_vec()
    }

    fn from_stored(stored: Self::Stored) -> Result<Self, Unreadable> {
        Self::of_bytes(&stored).ok_or(Unreadable::Misplaced)
    }
}

/// Says that no collection has the place in its key any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped;

impl Record for Dropped {
    type Stored = ();

    fn to_stored(&self) {}

    fn from_stored((): ()) -> Result<Self, Unreadable> {
        Ok(Self)
    }
}

/// The number of the place that the next new collection gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NextPlace(pub(crate) u64);

impl Record for NextPlace {
    type Stored = u64;

    fn to_stored(&self) -> u64 {
        self.0
    }

    fn from_stored(stored: u64) -> Result<Self, Unreadable> {
        Ok(Self(stored))
    }
}
