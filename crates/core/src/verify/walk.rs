//! [`Walk`]: the documents of one namespace in the order that their node keeps them in.

use std::vec;

use crate::{
    digest::NamespaceDigest, doc_id::DocId, document::Document, documents::Documents, limits::Limits,
    namespace::Namespace, store_error::StoreError,
};

/// What is held of a node at a time.
pub(super) const PIECE: Limits = Limits { entries_max: 1000, bytes_max: 4 * 1024 * 1024 };

/// A walk through a namespace, a bounded piece at a time.
pub(super) struct Walk<'a, D> {
    node: &'a D,
    /// `None` when there is nothing to walk through.
    ns: Option<&'a Namespace>,
    piece: vec::IntoIter<Document>,
    last: Option<DocId>,
    /// Of the documents that were passed.
    pub(super) digest: NamespaceDigest,
    /// The size of those.
    pub(super) bytes: u64,
}

impl<'a, D: Documents> Walk<'a, D> {
    pub(super) fn new(node: &'a D, ns: Option<&'a Namespace>) -> Self {
        let (piece, digest) = (Vec::new().into_iter(), NamespaceDigest::default());
        Self { node, ns, piece, last: None, digest, bytes: 0 }
    }

    /// Makes sure that the next document can be seen, if there is one.
    pub(super) async fn fill(&mut self) -> Result<(), StoreError> {
        if let (0, Some(ns)) = (self.piece.len(), self.ns) {
            self.piece = self.node.scan(ns, self.last.as_ref(), PIECE).await?.into_iter();
            if self.piece.len() == 0 {
                self.ns = None;
            }
        }
        Ok(())
    }

    /// The documents that can be seen.
    pub(super) fn ahead(&self) -> &[Document] {
        self.piece.as_slice()
    }

    /// Whether there may be more than can be seen.
    pub(super) fn is_dry(&self) -> bool {
        self.piece.len() == 0 && self.ns.is_some()
    }

    /// Passes the next document.
    pub(super) fn pass(&mut self) {
        if let Some(document) = self.piece.next() {
            self.digest.add(&document);
            self.bytes = self.bytes.saturating_add(document.as_bytes().len() as u64);
            if self.piece.len() == 0 {
                self.last = Some(document.id());
            }
        }
    }

    /// Passes all documents that can be seen.
    pub(super) fn pass_all(&mut self) {
        while self.piece.len() > 0 {
            self.pass();
        }
    }
}
