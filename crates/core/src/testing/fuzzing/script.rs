//! [`Script`]: bytes read as a list of choices, so that a fuzzer can steer what a body does.

use bson::{RawBson, rawdoc};

use crate::{
    doc_id::DocId,
    entry::Operation,
    namespace::Namespace,
    testing::{
        chain::valid,
        documents::{id, namespace, only_id},
    },
};

/// What a document is called in a model: which namespace, which id. Ids that MongoDB calls equal
/// have one number.
pub(super) type Name = (u8, u8);

/// Choices that bytes make. When the bytes end, every choice is the first.
#[derive(Debug)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *byte
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u8) -> u8 {
        self.byte().checked_rem(bound).unwrap_or(0)
    }

    /// Any operation on one of a few documents, possible or not, and the document's name.
    pub(super) fn operation(&mut self) -> (Operation, Option<Name>) {
        let kind = self.below(8);
        if kind == 7 {
            return (Operation::Noop, None);
        }
        let collection = self.below(2);
        let (number, id) = self.id();
        let (ns, name) = (namespace_of(collection), Some((collection, number)));
        let mut document = only_id(id.value());
        document.append(bson::raw::cstr!("content"), i32::from(self.byte()));
        let operation = match kind {
            0..=2 => Operation::Insert { ns, document: valid(document) },
            3 | 4 => Operation::Update { ns, document: valid(document) },
            _ => Operation::Delete { ns, id },
        };
        (operation, name)
    }

    fn id(&mut self) -> (u8, DocId) {
        let (number, value) = match self.below(6) {
            0 => (0, RawBson::Int32(0)),
            1 => (1, RawBson::Int32(1)),
            2 => (1, RawBson::Double(1.0)),
            3 => (2, RawBson::from("a")),
            4 => (3, RawBson::Document(rawdoc! { "a": 1 })),
            _ => (3, RawBson::Document(rawdoc! { "a": 1_i64 })),
        };
        (number, id(value))
    }
}

/// The namespace with this number.
pub(super) fn namespace_of(collection: u8) -> Namespace {
    namespace(if collection == 0 { "items" } else { "items.archive" })
}
