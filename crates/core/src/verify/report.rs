//! [`Report`]: what a comparison of two nodes has found.

use crate::{digest::NamespaceDigest, doc_id::DocId, documents::Size, namespace::Namespace};

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferenceKind {
    /// The source has it, the target does not.
    Missing,
    /// The target has it, the source does not.
    Extra,
    /// Both have it, and it is not the same: of a document the bytes, of a collection the options.
    Changed,
}

impl DifferenceKind {
    /// What it is called: `missing`, `extra` or `changed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
        }
    }
}

/// A document that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, by the target's name.
    pub ns: Namespace,
    /// Which.
    pub id: DocId,
    /// How.
    pub kind: DifferenceKind,
}

/// A collection or an index that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CatalogDifference {
    /// Which collection, by the target's name.
    pub ns: Namespace,
    /// Which index; `None` when it is the collection itself.
    pub index: Option<String>,
    /// How.
    pub kind: DifferenceKind,
}

/// One namespace on both nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceReport {
    /// Which, by the target's name.
    pub ns: Namespace,
    /// What the source calls it; `None` when nothing there may be replicated under that name.
    pub source_ns: Option<Namespace>,
    /// Of the documents that the source holds.
    pub source: NamespaceDigest,
    /// Of the documents that the target holds.
    pub target: NamespaceDigest,
    /// How many documents were compared byte for byte, and how many bytes of both nodes that took.
    pub compared: Size,
    /// Nodes (`source`, `target`) whose kept digest is not that of their documents.
    pub wrong_digests: Vec<&'static str>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All namespaces of either node that hold documents.
    pub namespaces: Vec<NamespaceReport>,
    /// The documents that stayed different, at most as many as were asked for.
    pub differences: Vec<Difference>,
    /// Documents beyond those, which were not looked at again.
    pub more: u64,
    /// The collections and indexes that stayed different.
    pub catalog: Vec<CatalogDifference>,
}

impl Report {
    /// Whether both nodes hold the same documents, collections and indexes, and their digests tell
    /// the truth.
    pub fn is_equal(&self) -> bool {
        let untrue = self.namespaces.iter().any(|ns| !ns.wrong_digests.is_empty());
        self.differences.is_empty() && self.more == 0 && self.catalog.is_empty() && !untrue
    }

    /// How many documents were compared byte for byte, and how many bytes of both nodes that took.
    pub fn compared(&self) -> Size {
        let mut all = Size::default();
        for ns in &self.namespaces {
            all.documents = all.documents.saturating_add(ns.compared.documents);
            all.bytes = all.bytes.saturating_add(ns.compared.bytes);
        }
        all
    }
}
