//! [`Diff`]: what an update has changed, as MongoDB's oplog says it (`$v: 2`).
//!
//! A diff is made for one state of a document, its base, and applied to it makes the state after
//! the update, byte for byte. It is a document of sections, in this order:
//!
//! ```js
//! { d: { gone: false }, u: { there: 1 }, i: { new: 2 },
//!   sinner: { u: { deep: 3 } }, slist: { a: true, l: 4, u0: 5, s1: { .. } } }
//! ```
//!
//! `d` takes fields away, `u` replaces values in place, `i` appends fields (one that exists moves),
//! `s` and a name go into the document or array of that name. The diff of an array is headed
//! `a: true`; then come its new length `l`, if it has changed, and items by rising index.

mod apply;
mod change;
mod check;
mod misfit;
mod path;
#[cfg(test)]
mod tests;

use std::fmt;

use bson::{RawDocument, RawDocumentBuf};

pub use self::misfit::Misfit;
use crate::{
    document::Document,
    excerpt::EXCERPT_BYTES_MAX,
    limits::{ARRAY_ITEMS_MAX, DIFF_BYTES_MAX, DIFF_DEPTH_MAX},
};

/// The content of `diff` in an oplog entry of the form `{ $v: 2, diff: .. }`.
///
/// Validated, all of it, without recursion into values: sizes, lengths, UTF-8, depth (at most
/// [`DIFF_DEPTH_MAX`]), total size (at most [`DIFF_BYTES_MAX`]), and that there are known sections
/// only, of the right types and in the right order, which name each field once.
///
/// It may touch the top-level `_id`, as an aggregation pipeline does that leaves the `_id` out,
/// moves it, or gives it an equal value of another type.
#[derive(Clone, PartialEq)]
pub struct Diff(RawDocumentBuf);

/// Why bytes are not a [`Diff`]. A path is that of the field which the part in question is for,
/// shortened if it is long; it is empty for the document itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// More bytes than a diff may have.
    #[error("the diff has {bytes} bytes; at most {DIFF_BYTES_MAX} can be replicated: split the update")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Nested too deeply.
    #[error("the diff is nested deeper than {DIFF_DEPTH_MAX} levels: flatten the document")]
    TooDeep,
    /// Not BSON.
    #[error("the bytes are not valid BSON at offset {offset}: {what}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// There is no section at all.
    #[error("the diff of {path:?} is empty")]
    Empty {
        /// Of what.
        path: String,
    },
    /// A section that this version does not know.
    #[error("the diff of {path:?} has an unknown section {section:?}: the server may be newer than this program")]
    Unknown {
        /// Of what.
        path: String,
        /// Its name.
        section: String,
    },
    /// A section that comes twice, or behind one that belongs behind it.
    #[error("section {section:?} in the diff of {path:?} is not where it belongs")]
    Misplaced {
        /// Of what.
        path: String,
        /// Its name.
        section: String,
    },
    /// A section, or a value in it, is of another type than it must be.
    #[error("section {section:?} in the diff of {path:?} is not of the type that it must be")]
    WrongType {
        /// Of what.
        path: String,
        /// Its name.
        section: String,
    },
    /// Two changes of one field.
    #[error("the diff changes {path:?} twice")]
    Repeated {
        /// Of which.
        path: String,
    },
    /// No index or no length that an array can have, or an index beyond the new length.
    #[error("{section:?} in the diff of {path:?} is no place in an array of at most {ARRAY_ITEMS_MAX} items")]
    Index {
        /// Of what.
        path: String,
        /// The name of the index, or `l`.
        section: String,
    },
}

impl Diff {
    /// Checks a raw diff that was stored or sent by someone.
    ///
    /// # Errors
    /// [`DiffError`] says what is wrong with it.
    pub fn new(raw: RawDocumentBuf) -> Result<Self, DiffError> {
        check::check(raw.as_bytes())?;
        Ok(Self(raw))
    }

    /// [`Diff::new`] on bytes that are not yet known to be framed as a document.
    ///
    /// # Errors
    /// As for [`Diff::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DiffError> {
        let raw = RawDocumentBuf::from_bytes(bytes)
            .map_err(|_| DiffError::Malformed { offset: 0, what: "the length does not frame the bytes" })?;
        Self::new(raw)
    }

    /// The document that a secondary makes of `base`, if that is what the diff was made for.
    ///
    /// A mongod goes on where base and diff do not fit, for it may apply a diff a second time and
    /// expects later entries to mend the document. Here that is an error: positions are exact.
    ///
    /// # Errors
    /// [`Misfit`] when the diff was made for another document.
    pub fn apply(&self, base: &Document) -> Result<Document, Misfit> {
        apply::apply(base, &self.0)
    }

    /// The raw diff.
    pub fn as_raw(&self) -> &RawDocument {
        &self.0
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The raw diff, by value.
    pub fn into_raw(self) -> RawDocumentBuf {
        self.0
    }
}

impl fmt::Debug for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_bytes().len() <= 4 * EXCERPT_BYTES_MAX {
            return fmt::Debug::fmt(&self.0, f);
        }
        write!(f, "Diff({} bytes)", self.as_bytes().len())
    }
}
