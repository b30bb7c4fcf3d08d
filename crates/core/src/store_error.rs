//! [`StoreError`]: what can go wrong between us and a store.

use std::{error::Error, fmt};

use crate::{apply::Existence, doc_id::DocId, namespace::Namespace, position::Position};

/// A store could not do what it was asked to do: what failed, on which node, and why.
#[derive(Debug)]
pub struct StoreError(Box<Parts>);

/// Boxed, because every result of a store would carry the size of the largest fault.
#[derive(Debug)]
struct Parts {
    node: Box<str>,
    doing: Box<str>,
    fault: Fault,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of failure that need different answers; `retry` decides on them in one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing happened: the node cannot be reached, or does not take requests now.
    #[error("the node does not answer")]
    Unavailable,
    /// The request may or may not have taken effect: the reply was lost.
    #[error("the outcome is unknown, because the reply was lost")]
    Unknown,
    /// The credentials are wrong, or do not permit this.
    #[error("access is denied: check the user, the password and the roles in the node's uri")]
    Denied,
    /// Another process holds the store, or has taken it over.
    #[error("{holder} holds it: stop that one, or wait until it is done")]
    Busy {
        /// Who, as far as it can be told.
        holder: String,
    },
    /// No space is left.
    #[error("no space is left: free some, then start again")]
    Full,
    /// Stored bytes are damaged.
    #[error(
        "stored data is damaged: restore the node from a backup, or sync it anew with `oplogsync resync NODE --confirm NODE`"
    )]
    Corrupt,
    /// What is stored was written by another version, or by something else, or the server is too old.
    #[error("the format is not known to this version of oplogsync")]
    Incompatible,
    /// The source has something that no replica can follow, and the filter lets it pass.
    #[error("{name:?} cannot be replicated: leave it out by `[filter] exclude = [{name:?}]`")]
    Unreplicable {
        /// The collection, as the log would call it.
        name: String,
    },
    /// The server gave an answer, or refused with a code, that is not known here.
    #[error("the server answered something that oplogsync does not expect")]
    Unexpected,
    /// The stored checkpoint is not the one that the batch follows: another applier was here.
    #[error("the checkpoint has moved: it is at {found}")]
    CheckpointMoved {
        /// Where it is.
        found: Position,
    },
    /// A document is not as the log left it: somebody wrote to it beside oplogsync.
    #[error(
        "{ns} {id} must be {needs} before the entry at index {index}, and is not: something else wrote to the node; compare with `oplogsync verify`"
    )]
    Drift {
        /// Where.
        ns: Namespace,
        /// Which document.
        id: DocId,
        /// What the log says about it.
        needs: Existence,
        /// The entry.
        index: u64,
    },
    /// The server refuses a document: a unique index, a validator, a limit.
    #[error("the node refuses {ns} {id}, written by the entry at index {index}")]
    Rejected {
        /// Where.
        ns: Namespace,
        /// Which document.
        id: DocId,
        /// The entry.
        index: u64,
    },
    /// A change was made for another document than the one that is there.
    #[error(
        "the entry at index {index} changes a part of {ns} {id} that is not as it was at the source: something else wrote to the node; compare with `oplogsync verify`"
    )]
    Misfit {
        /// Where.
        ns: Namespace,
        /// Which document.
        id: DocId,
        /// The entry.
        index: u64,
    },
    /// Something else is where something is to be made.
    #[error("{what} is there already, and is not ours: take it away or rename it, then start again")]
    Occupied {
        /// For example a collection.
        what: String,
    },
    /// The namespace cannot be held by this node.
    #[error("the node does not hold namespace {ns}")]
    Outside {
        /// The namespace.
        ns: Namespace,
    },
    /// An earlier failure makes what is in memory untrustworthy; the store must be reopened.
    #[error("an earlier write failed, so nothing more is written: start again")]
    Poisoned,
    /// The caller broke the contract of the trait.
    #[error("this is a defect of oplogsync, please report it")]
    Defect,
}

impl StoreError {
    /// A failure on `node` while `doing` something, for example `"append entries 4..=9"`.
    pub fn new(node: &str, doing: impl Into<Box<str>>, fault: Fault) -> Self {
        Self(Box::new(Parts { node: node.into(), doing: doing.into(), fault, source: None }))
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind of failure.
    pub fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// The node on which it happened.
    pub fn node(&self) -> &str {
        &self.0.node
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {}: {}", self.0.node, self.0.doing, self.0.fault)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
