//! [`Chain`]: seals entries one after another, so that a test says only what they do.

use bson::RawDocumentBuf;

use crate::{
    batch::Batch,
    clock::OpTime,
    command::{Action, Command},
    diff::Diff,
    doc_id::DocId,
    document::Document,
    entry::{Entry, Operation},
    ids::{LogId, OpId, OwnerId},
    namespace::Namespace,
    position::Anchor,
};

/// A writer of entries of one log. The same calls always make the same entries; a
/// [rival](Chain::rival) makes others at the same positions.
#[derive(Debug, Clone)]
pub struct Chain {
    log: LogId,
    writer: u8,
    start: Anchor,
    last: Anchor,
    open: Vec<Entry>,
}

/// The log that a number names.
pub fn log_id(number: u8) -> LogId {
    LogId::from_bytes([number; 16])
}

/// The process that a number names.
pub fn owner_id(number: u8) -> OwnerId {
    OwnerId::from_bytes([number; 16])
}

impl Chain {
    /// The first writer of an empty log.
    pub fn new(log: LogId) -> Self {
        Self::after(log, Entry::origin(log))
    }

    /// A writer that continues a log after `anchor`.
    pub fn after(log: LogId, anchor: Anchor) -> Self {
        Self { log, writer: 0, start: anchor, last: anchor, open: Vec::new() }
    }

    /// Another writer that stands at the same place: its entries have other operation ids.
    #[must_use]
    pub fn rival(&self, writer: u8) -> Self {
        Self { writer, ..self.clone() }
    }

    /// The log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The newest entry.
    pub fn last(&self) -> Anchor {
        self.last
    }

    /// Seals one more entry, with an operation id that depends on the writer and the index.
    pub fn push(&mut self, operation: Operation) -> &mut Self {
        self.push_as(self.next_op_id(), operation)
    }

    /// Seals entries that are one transaction: their optimes are equal.
    pub fn transaction(&mut self, operations: impl IntoIterator<Item = Operation>) -> &mut Self {
        let optime = self.next_optime();
        for operation in operations {
            self.push_at(optime, self.next_op_id(), operation);
        }
        self
    }

    /// Seals one more entry under a given operation id.
    pub fn push_as(&mut self, op_id: OpId, operation: Operation) -> &mut Self {
        let optime = self.next_optime();
        self.push_at(optime, op_id, operation)
    }

    /// The optime of the next entry.
    pub fn next_optime(&self) -> OpTime {
        let seconds = u32::try_from(self.last.next_index()).unwrap_or(u32::MAX);
        OpTime::from_timestamp(1_700_000_000_u32.saturating_add(seconds), 1)
    }

    fn push_at(&mut self, optime: OpTime, op_id: OpId, operation: Operation) -> &mut Self {
        let entry = Entry::seal(&self.last, optime, op_id, operation);
        self.last = entry.anchor();
        self.open.push(entry);
        self
    }

    fn next_op_id(&self) -> OpId {
        let mut op_id = [self.writer; 16];
        for (byte, part) in op_id.iter_mut().skip(8).zip(self.last.next_index().to_be_bytes()) {
            *byte = part;
        }
        OpId::from_bytes(op_id)
    }

    /// Inserts a document.
    ///
    /// # Panics
    /// When it is none.
    pub fn insert(&mut self, ns: &Namespace, document: RawDocumentBuf) -> &mut Self {
        self.push(Operation::Insert { ns: ns.clone(), document: valid(document) })
    }

    /// Replaces a document.
    ///
    /// # Panics
    /// When it is none.
    pub fn update(&mut self, ns: &Namespace, document: RawDocumentBuf) -> &mut Self {
        self.push(Operation::Update { ns: ns.clone(), document: valid(document) })
    }

    /// Changes a part of a document.
    ///
    /// # Panics
    /// When that is no diff.
    #[expect(clippy::expect_used, reason = "a test with an impossible diff must fail")]
    pub fn patch(&mut self, ns: &Namespace, id: DocId, diff: RawDocumentBuf) -> &mut Self {
        let diff = Diff::new(diff).expect("the test's diff is valid");
        self.push(Operation::Patch { ns: ns.clone(), id, diff })
    }

    /// Changes collections or indexes.
    pub fn command(&mut self, action: Action) -> &mut Self {
        self.push(Operation::Command(Command::new(action)))
    }

    /// Deletes a document.
    pub fn delete(&mut self, ns: &Namespace, id: DocId) -> &mut Self {
        self.push(Operation::Delete { ns: ns.clone(), id })
    }

    /// Does nothing, `count` times.
    pub fn noops(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.push(Operation::Noop);
        }
        self
    }

    /// Raises the term.
    pub fn new_term(&mut self) -> &mut Self {
        self.push(Operation::NewTerm)
    }

    /// The entries sealed since the last take.
    pub fn take(&mut self) -> Vec<Entry> {
        self.start = self.last;
        std::mem::take(&mut self.open)
    }

    /// The entries sealed since the last take, as one batch.
    ///
    /// # Panics
    /// When there are none, or a new-term entry is among others.
    #[expect(clippy::expect_used, reason = "a test that asks for an impossible batch must fail")]
    pub fn take_batch(&mut self) -> Batch {
        let start = self.start;
        Batch::new(self.log, start, self.take()).expect("the entries are a batch")
    }
}

/// The document that `raw` is.
///
/// # Panics
/// When it is none.
#[expect(clippy::expect_used, reason = "a test with an impossible document must fail")]
pub fn valid(raw: RawDocumentBuf) -> Document {
    Document::new(raw).expect("the test's document is valid")
}
