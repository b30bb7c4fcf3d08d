//! Compares the documents of two nodes.

use std::{cmp::Ordering, time::Duration};

use crate::{
    digest::NamespaceDigest, doc_id::DocId, document::Document, documents::Documents, host::Host, limits::Limits,
    namespace::Namespace, store_error::StoreError,
};

/// What to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// The digests; the documents only of namespaces whose digests differ. On an embedded node the
    /// digest is kept with every change, so equal namespaces cost nothing.
    Digest,
    /// All documents, byte for byte; and every kept digest against the documents themselves.
    Full,
}

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// What to compare.
    pub mode: VerifyMode,
    /// Most differences to remember; the rest is counted.
    pub differences_max: usize,
    /// How often a difference is looked at again before it counts: on a running system a document
    /// is different for as long as its last change is under way.
    pub rechecks: u32,
    /// The wait before each look.
    pub cooldown: Duration,
}

impl Default for VerifyOptions {
    /// All documents, three more looks two seconds apart, a thousand differences.
    fn default() -> Self {
        Self { mode: VerifyMode::Full, differences_max: 1000, rechecks: 3, cooldown: Duration::from_secs(2) }
    }
}

/// How a document differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// The source has it, the target does not.
    Missing,
    /// The target has it, the source does not.
    Extra,
    /// Both have it, with different bytes.
    Changed,
}

/// A document that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub ns: Namespace,
    /// Which.
    pub id: DocId,
    /// How.
    pub kind: DifferenceKind,
}

/// One namespace on both nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceReport {
    /// Which.
    pub ns: Namespace,
    /// Of the documents that the source holds.
    pub source: NamespaceDigest,
    /// Of the documents that the target holds.
    pub target: NamespaceDigest,
    /// Nodes (`source`, `target`) whose kept digest is not that of their documents.
    pub wrong_digests: Vec<&'static str>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All namespaces of either node.
    pub namespaces: Vec<NamespaceReport>,
    /// The differences that stayed, at most as many as were asked for.
    pub differences: Vec<Difference>,
    /// Differences beyond those, which were not looked at again.
    pub more: u64,
}

impl Report {
    /// Whether both nodes hold the same documents, and their digests tell the truth.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.more == 0 && self.namespaces.iter().all(|ns| ns.wrong_digests.is_empty())
    }
}

/// Compares the documents of `target` with those of `source`.
///
/// # Errors
/// [`StoreError`] when a node cannot be read.
pub async fn compare<S: Documents, T: Documents, H: Host>(
    source: &S,
    target: &T,
    host: &H,
    options: VerifyOptions,
) -> Result<Report, StoreError> {
    let mut namespaces = source.namespaces().await?;
    namespaces.extend(target.namespaces().await?);
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut report = Report::default();
    for ns in namespaces {
        let kept = (source.digest(&ns).await?, target.digest(&ns).await?);
        let mut found = NamespaceReport { ns: ns.clone(), source: kept.0, target: kept.1, wrong_digests: Vec::new() };
        if options.mode == VerifyMode::Full || kept.0 != kept.1 {
            let computed = compare_namespace(source, target, &ns, options.differences_max, &mut report).await?;
            (found.source, found.target) = computed;
            // A digest that moved meanwhile belongs to a change under way, not to a wrong digest.
            if kept.0 != computed.0 && source.digest(&ns).await? == kept.0 {
                found.wrong_digests.push("source");
            }
            if kept.1 != computed.1 && target.digest(&ns).await? == kept.1 {
                found.wrong_digests.push("target");
            }
        }
        report.namespaces.push(found);
    }
    for _ in 0..options.rechecks {
        if report.differences.is_empty() {
            break;
        }
        host.sleep(options.cooldown).await;
        recheck(source, target, &mut report).await?;
    }
    Ok(report)
}

/// Walks both nodes in the order of ids, side by side; notes differences, returns both digests.
async fn compare_namespace<S: Documents, T: Documents>(
    source: &S,
    target: &T,
    ns: &Namespace,
    differences_max: usize,
    report: &mut Report,
) -> Result<(NamespaceDigest, NamespaceDigest), StoreError> {
    let (mut left, mut right) = (Walk::new(source, ns), Walk::new(target, ns));
    loop {
        let (a, b) = (left.peek().await?, right.peek().await?);
        let (order, id) = match (a, b) {
            (None, None) => return Ok((left.digest, right.digest)),
            (Some((id, _)), None) => (Ordering::Less, id),
            (None, Some((id, _))) => (Ordering::Greater, id),
            (Some((a, _)), Some((b, _))) => (a.cmp(b), a.min(b)),
        };
        let kind = match order {
            Ordering::Less => Some(DifferenceKind::Missing),
            Ordering::Greater => Some(DifferenceKind::Extra),
            Ordering::Equal if a.map(|(_, document)| document) != b.map(|(_, document)| document) => {
                Some(DifferenceKind::Changed)
            }
            Ordering::Equal => None,
        };
        if let Some(kind) = kind {
            if report.differences.len() < differences_max {
                report.differences.push(Difference { ns: ns.clone(), id: id.clone(), kind });
            } else {
                report.more += 1;
            }
        }
        if order.is_le() {
            left.pass();
        }
        if order.is_ge() {
            right.pass();
        }
    }
}

/// A walk through a namespace in the order of ids, a bounded piece at a time.
struct Walk<'a, D> {
    node: &'a D,
    ns: &'a Namespace,
    piece: std::vec::IntoIter<Document>,
    next: Option<(DocId, Document)>,
    last: Option<DocId>,
    ended: bool,
    digest: NamespaceDigest,
}

impl<'a, D: Documents> Walk<'a, D> {
    fn new(node: &'a D, ns: &'a Namespace) -> Self {
        let piece = Vec::new().into_iter();
        Self { node, ns, piece, next: None, last: None, ended: false, digest: NamespaceDigest::default() }
    }

    async fn peek(&mut self) -> Result<Option<&(DocId, Document)>, StoreError> {
        if self.next.is_none() && !self.ended {
            if self.piece.len() == 0 {
                self.piece = self.node.scan(self.ns, self.last.as_ref(), Limits::default()).await?.into_iter();
            }
            self.next = self.piece.next().map(|document| (document.id(), document));
            self.ended = self.next.is_none();
        }
        Ok(self.next.as_ref())
    }

    fn pass(&mut self) {
        if let Some((id, document)) = self.next.take() {
            self.digest.add(&document);
            self.last = Some(id);
        }
    }
}

/// Keeps the differences that are still there.
async fn recheck<S: Documents, T: Documents>(source: &S, target: &T, report: &mut Report) -> Result<(), StoreError> {
    let mut kept = Vec::new();
    for difference in std::mem::take(&mut report.differences) {
        let ids = std::slice::from_ref(&difference.id);
        let a = source.get(&difference.ns, ids).await?.pop().flatten();
        let b = target.get(&difference.ns, ids).await?.pop().flatten();
        let kind = match (&a, &b) {
            (Some(_), None) => DifferenceKind::Missing,
            (None, Some(_)) => DifferenceKind::Extra,
            _ if a != b => DifferenceKind::Changed,
            _ => continue,
        };
        kept.push(Difference { kind, ..difference });
    }
    report.differences = kept;
    Ok(())
}
