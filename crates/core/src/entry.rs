//! [`Entry`]: one entry of an oplog, sealed into its hash chain.

use crate::{
    clock::OpTime,
    command::Command,
    diff::Diff,
    doc_id::DocId,
    document::Document,
    hash::{Hash, Hasher},
    ids::{LogId, OpId},
    namespace::Namespace,
    position::{Anchor, Position},
};

/// What an entry does.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A document that did not exist now does.
    Insert {
        /// Where.
        ns: Namespace,
        /// The whole document.
        document: Document,
    },
    /// A document that existed has a new content: the full post-image, whatever the update was.
    Update {
        /// Where.
        ns: Namespace,
        /// The whole document after the update.
        document: Document,
    },
    /// A document that existed has a new content, told as its difference to the one before: by feeds
    /// of servers that keep no images. A target makes an image of it.
    Patch {
        /// Where.
        ns: Namespace,
        /// Which.
        id: DocId,
        /// What changes.
        diff: Diff,
    },
    /// A document that existed is gone.
    Delete {
        /// Where.
        ns: Namespace,
        /// Which.
        id: DocId,
    },
    /// Collections or indexes change. It stands alone in its batch.
    Command(Command),
    /// Nothing; it only moves the head.
    Noop,
    /// A new primary begins: the only entry that may raise the term, by exactly one.
    NewTerm,
}

/// The kind of an [`Operation`], as logs store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Operation::Insert`], stored as `i`.
    Insert,
    /// [`Operation::Update`], stored as `u`.
    Update,
    /// [`Operation::Patch`], stored as `p`.
    Patch,
    /// [`Operation::Delete`], stored as `d`.
    Delete,
    /// [`Operation::Command`], stored as `c`.
    Command,
    /// [`Operation::Noop`], stored as `n`.
    Noop,
    /// [`Operation::NewTerm`], stored as `t`.
    NewTerm,
}

impl Kind {
    /// The one-letter code: MongoDB's own `i`, `u`, `d`, `c` and `n`; `p` for a patch, and `t` for a new term.
    pub fn code(self) -> u8 {
        match self {
            Self::Insert => b'i',
            Self::Update => b'u',
            Self::Patch => b'p',
            Self::Delete => b'd',
            Self::Command => b'c',
            Self::Noop => b'n',
            Self::NewTerm => b't',
        }
    }

    /// The kind with this code; `None` for a code that this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            b'i' => Some(Self::Insert),
            b'u' => Some(Self::Update),
            b'p' => Some(Self::Patch),
            b'd' => Some(Self::Delete),
            b'c' => Some(Self::Command),
            b'n' => Some(Self::Noop),
            b't' => Some(Self::NewTerm),
            _ => None,
        }
    }

    /// Whether an entry of this kind is a batch of its own.
    pub fn stands_alone(self) -> bool {
        matches!(self, Self::Command | Self::NewTerm)
    }
}

impl Operation {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Insert { .. } => Kind::Insert,
            Self::Update { .. } => Kind::Update,
            Self::Patch { .. } => Kind::Patch,
            Self::Delete { .. } => Kind::Delete,
            Self::Command(_) => Kind::Command,
            Self::Noop => Kind::Noop,
            Self::NewTerm => Kind::NewTerm,
        }
    }

    /// The namespace of the document that it touches, if it touches one.
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::Insert { ns, .. } | Self::Update { ns, .. } | Self::Patch { ns, .. } | Self::Delete { ns, .. } => {
                Some(ns)
            }
            Self::Command(_) | Self::Noop | Self::NewTerm => None,
        }
    }

    /// The document's id, if it touches one.
    pub fn doc_id(&self) -> Option<DocId> {
        self.doc_id_with(&mut Vec::new())
    }

    /// The same with memory that was used before, for those who ask many operations.
    pub(crate) fn doc_id_with(&self, scratch: &mut Vec<u8>) -> Option<DocId> {
        match self {
            Self::Insert { document, .. } | Self::Update { document, .. } => Some(document.id_with(scratch)),
            Self::Patch { id, .. } | Self::Delete { id, .. } => Some(id.clone()),
            Self::Command(_) | Self::Noop | Self::NewTerm => None,
        }
    }
}

/// One entry of a log. Immutable: the hash covers everything in it and the entry before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    position: Position,
    optime: OpTime,
    op_id: OpId,
    operation: Operation,
    prev_hash: Hash,
    hash: Hash,
}

/// The hash that stored bytes claim is not the hash of what they hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {position} was changed after it was written: it holds {actual}, its hash says {claimed}")]
pub struct HashMismatch {
    /// Where.
    pub position: Position,
    /// The hash stored with the entry.
    pub claimed: Hash,
    /// The hash of its content.
    pub actual: Hash,
}

impl Entry {
    /// What stands before the first entry of a log: position `0:0`.
    pub fn origin(log: LogId) -> Anchor {
        let hash = Hasher::new().fixed(b"oplogsync log").fixed(&log.to_bytes()).finish();
        Anchor { position: Position::default(), optime: OpTime::default(), hash }
    }

    /// Makes the entry that follows `previous`. A [`Operation::NewTerm`] raises the term by one,
    /// everything else stays in the term of its predecessor.
    pub fn seal(previous: &Anchor, optime: OpTime, op_id: OpId, operation: Operation) -> Self {
        let raise = u64::from(operation.kind() == Kind::NewTerm);
        let position = Position { term: previous.position.term.saturating_add(raise), index: previous.next_index() };
        let hash = chained_hash(previous.hash, position, optime, op_id, &operation);
        Self { position, optime, op_id, operation, prev_hash: previous.hash, hash }
    }

    /// Takes an entry as a log holds it.
    ///
    /// # Errors
    /// [`HashMismatch`] when `hash` is not the hash of the rest.
    pub fn from_parts(
        position: Position,
        optime: OpTime,
        op_id: OpId,
        operation: Operation,
        prev_hash: Hash,
        hash: Hash,
    ) -> Result<Self, HashMismatch> {
        let actual = chained_hash(prev_hash, position, optime, op_id, &operation);
        if actual != hash {
            return Err(HashMismatch { position, claimed: hash, actual });
        }
        Ok(Self { position, optime, op_id, operation, prev_hash, hash })
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// When it was written, by its primary's hybrid clock.
    pub fn optime(&self) -> OpTime {
        self.optime
    }

    /// Which write it records.
    pub fn op_id(&self) -> OpId {
        self.op_id
    }

    /// What it does.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The hash of the entry before it.
    pub fn prev_hash(&self) -> Hash {
        self.prev_hash
    }

    /// The hash of this entry and all before it.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its position, optime and hash.
    pub fn anchor(&self) -> Anchor {
        Anchor { position: self.position, optime: self.optime, hash: self.hash }
    }

    /// The size that counts against [`Limits::bytes_max`](crate::limits::Limits::bytes_max):
    /// its document's bytes and a fixed overhead.
    pub fn bytes(&self) -> usize {
        const OVERHEAD: usize = 128;
        OVERHEAD
            + match &self.operation {
                Operation::Insert { document, .. } | Operation::Update { document, .. } => document.as_bytes().len(),
                Operation::Patch { id, diff, .. } => id.key().len() + diff.as_bytes().len(),
                Operation::Delete { id, .. } => id.key().len(),
                Operation::Command(command) => command.as_raw().as_bytes().len(),
                Operation::Noop | Operation::NewTerm => 0,
            }
    }
}

fn chained_hash(prev: Hash, position: Position, optime: OpTime, op_id: OpId, operation: &Operation) -> Hash {
    let (seconds, increment) = optime.to_timestamp();
    // At once: each part costs something of its own.
    let mut head = [0; 57];
    let parts: [&[u8]; 7] = [
        &prev.to_bytes(),
        &position.term.to_be_bytes(),
        &position.index.to_be_bytes(),
        &seconds.to_be_bytes(),
        &increment.to_be_bytes(),
        &op_id.to_bytes(),
        &[operation.kind().code()],
    ];
    let mut rest = head.as_mut_slice();
    for part in parts {
        let (to, behind) = rest.split_at_mut(part.len());
        to.copy_from_slice(part);
        rest = behind;
    }
    let mut hasher = Hasher::new();
    hasher.fixed(&head);
    match operation {
        Operation::Insert { ns, document } | Operation::Update { ns, document } => {
            hasher.sized(ns.as_str().as_bytes()).sized(document.as_bytes());
        }
        Operation::Delete { ns, id } => {
            hasher.sized(ns.as_str().as_bytes()).sized(id.as_raw_document().as_bytes());
        }
        Operation::Patch { ns, id, diff } => {
            hasher.sized(ns.as_str().as_bytes()).sized(id.as_raw_document().as_bytes()).sized(diff.as_bytes());
        }
        Operation::Command(command) => {
            hasher.sized(command.database().as_str().as_bytes()).sized(command.as_raw().as_bytes());
        }
        Operation::Noop | Operation::NewTerm => {}
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
