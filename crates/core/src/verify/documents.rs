//! [`Compared`]: the documents of one namespace on both nodes.

use std::cmp::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Comparison, Difference, DifferenceKind, NamespaceReport, VerifyMode, walk::Walk};
use crate::{
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Documents, Size},
    namespace::Namespace,
    store_error::StoreError,
};

/// Documents that are looked at again at once.
const LOOKS: usize = 8;

/// A namespace, by both names, as far as it has documents of its own on a side.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// The target's name.
    pub(super) ns: Namespace,
    /// The source's, if there is one.
    pub(super) source_ns: Option<Namespace>,
    /// Where its documents are at the source.
    pub(super) at_source: Option<Namespace>,
    /// Where they are at the target.
    pub(super) at_target: Option<Namespace>,
    /// Whether both sides keep its ids in the order of MongoDB's simple comparison.
    pub(super) in_order: bool,
}

/// What the documents of a namespace have shown.
#[derive(Debug)]
pub(super) struct Compared {
    pair: Pair,
    pub(super) report: NamespaceReport,
    pub(super) differences: Vec<Difference>,
    pub(super) more: u64,
}

/// How a document differs, if it does.
pub(super) fn difference(source: Option<&Document>, target: Option<&Document>) -> Option<DifferenceKind> {
    match (source, target) {
        (Some(_), None) => Some(DifferenceKind::Missing),
        (None, Some(_)) => Some(DifferenceKind::Extra),
        // Ids that are equal with other bytes are a changed document too.
        (a, b) if a != b => Some(DifferenceKind::Changed),
        _ => None,
    }
}

impl<S: Documents, T: Documents> Comparison<'_, S, T> {
    /// Looks at a namespace for the first time.
    pub(super) async fn look(&self, pair: Pair) -> Result<Compared, StoreError> {
        let digest = async |ns: &Option<Namespace>, is_source: bool| match ns {
            None => Ok(NamespaceDigest::default()),
            Some(ns) if is_source => self.source.digest(ns).await,
            Some(ns) => self.target.digest(ns).await,
        };
        let kept = (digest(&pair.at_source, true).await?, digest(&pair.at_target, false).await?);
        let mut compared = Compared::new(pair, kept);
        if self.options.mode == VerifyMode::Full || kept.0 != kept.1 {
            self.walk(&mut compared).await?;
            let found = (compared.report.source, compared.report.target);
            // A digest that moved meanwhile belongs to a change under way, not to a wrong digest.
            if kept.0 != found.0 && digest(&compared.pair.at_source, true).await? == kept.0 {
                compared.report.wrong_digests.push("source");
            }
            if kept.1 != found.1 && digest(&compared.pair.at_target, false).await? == kept.1 {
                compared.report.wrong_digests.push("target");
            }
        }
        Ok(compared)
    }

    /// Keeps the differences that are still there. Where there were too many to name, a collection may have
    /// been renamed meanwhile: it is walked through again.
    pub(super) async fn look_again(&self, mut compared: Compared) -> Result<Compared, StoreError> {
        if compared.more > 0 {
            self.walk(&mut compared).await?;
            return Ok(compared);
        }
        let looks: Vec<_> = std::mem::take(&mut compared.differences)
            .into_iter()
            .map(|difference| Box::pin(self.look_at(&compared.pair, difference)))
            .collect();
        compared.differences =
            stream::iter(looks).buffered(LOOKS).try_filter_map(async |found| Ok(found)).try_collect().await?;
        Ok(compared)
    }

    async fn look_at(&self, pair: &Pair, found: Difference) -> Result<Option<Difference>, StoreError> {
        let a = get(self.source, pair.at_source.as_ref(), &found.id).await?;
        let b = get(self.target, pair.at_target.as_ref(), &found.id).await?;
        Ok(difference(a.as_ref(), b.as_ref()).map(|kind| Difference { kind, ..found }))
    }

    /// Walks through both sides, and notes what differs.
    async fn walk(&self, compared: &mut Compared) -> Result<(), StoreError> {
        (compared.differences, compared.more) = (Vec::new(), 0);
        if compared.pair.in_order { self.walk_in_order(compared).await } else { self.walk_by_id(compared).await }
    }

    /// Walks through both sides in the order of the ids, side by side.
    async fn walk_in_order(&self, compared: &mut Compared) -> Result<(), StoreError> {
        let pair = compared.pair.clone();
        let mut left = Walk::new(self.source, pair.at_source.as_ref());
        let mut right = Walk::new(self.target, pair.at_target.as_ref());
        let mut count = 0_u64;
        loop {
            if left.is_dry() || right.is_dry() {
                tokio::try_join!(left.fill(), right.fill())?;
            }
            let (order, found) = match (left.ahead().first(), right.ahead().first()) {
                (None, None) => break,
                (Some(a), None) => (Ordering::Less, Some((a.id(), DifferenceKind::Missing))),
                (None, Some(b)) => (Ordering::Greater, Some((b.id(), DifferenceKind::Extra))),
                (Some(a), Some(b)) if a == b => (Ordering::Equal, None),
                (Some(a), Some(b)) => {
                    let (a, b) = (a.id(), b.id());
                    let order = a.cmp(&b);
                    match order {
                        Ordering::Less => (order, Some((a, DifferenceKind::Missing))),
                        Ordering::Equal => (order, Some((a, DifferenceKind::Changed))),
                        Ordering::Greater => (order, Some((b, DifferenceKind::Extra))),
                    }
                }
            };
            if order.is_le() {
                left.pass();
            }
            if order.is_ge() {
                right.pass();
            }
            count += 1;
            if let Some((id, kind)) = found {
                compared.note(id, kind, self.options.differences_max);
            }
        }
        compared.end(count, &left, &right);
        Ok(())
    }

    /// Walks through one side after the other, and asks the other one for the same ids: a collection with a
    /// collation keeps them in the order of that one.
    async fn walk_by_id(&self, compared: &mut Compared) -> Result<(), StoreError> {
        let pair = compared.pair.clone();
        let mut left = Walk::new(self.source, pair.at_source.as_ref());
        let mut right = Walk::new(self.target, pair.at_target.as_ref());
        let (most, mut extra) = (self.options.differences_max, 0);
        while {
            left.fill().await?;
            !left.ahead().is_empty()
        } {
            let ids: Vec<DocId> = left.ahead().iter().map(Document::id).collect();
            let others = get_all(self.target, pair.at_target.as_ref(), &ids).await?;
            for ((id, document), other) in ids.into_iter().zip(left.ahead()).zip(others) {
                if let Some(kind) = difference(Some(document), other.as_ref()) {
                    compared.note(id, kind, most);
                }
            }
            left.pass_all();
        }
        while {
            right.fill().await?;
            !right.ahead().is_empty()
        } {
            let ids: Vec<DocId> = right.ahead().iter().map(Document::id).collect();
            let others = get_all(self.source, pair.at_source.as_ref(), &ids).await?;
            for id in ids.into_iter().zip(others).filter_map(|(id, other)| other.is_none().then_some(id)) {
                compared.note(id, DifferenceKind::Extra, most);
                extra += 1;
            }
            right.pass_all();
        }
        compared.end(left.digest.count + extra, &left, &right);
        Ok(())
    }
}

async fn get<D: Documents>(node: &D, ns: Option<&Namespace>, id: &DocId) -> Result<Option<Document>, StoreError> {
    Ok(get_all(node, ns, std::slice::from_ref(id)).await?.pop().flatten())
}

async fn get_all<D: Documents>(
    node: &D,
    ns: Option<&Namespace>,
    ids: &[DocId],
) -> Result<Vec<Option<Document>>, StoreError> {
    match ns {
        Some(ns) => node.get(ns, ids).await,
        None => Ok(vec![None; ids.len()]),
    }
}

impl Compared {
    fn new(pair: Pair, (source, target): (NamespaceDigest, NamespaceDigest)) -> Self {
        let report = NamespaceReport {
            ns: pair.ns.clone(),
            source_ns: pair.source_ns.clone(),
            source,
            target,
            compared: Size::default(),
            wrong_digests: Vec::new(),
        };
        Self { pair, report, differences: Vec::new(), more: 0 }
    }

    /// Whether a document differs.
    pub(super) fn differs(&self) -> bool {
        !self.differences.is_empty() || self.more > 0
    }

    /// Forgets which documents differ but for so many.
    pub(super) fn keep(&mut self, most: usize) {
        self.more += self.differences.len().saturating_sub(most) as u64;
        self.differences.truncate(most);
    }

    fn note(&mut self, id: DocId, kind: DifferenceKind, most: usize) {
        if self.differences.len() < most {
            self.differences.push(Difference { ns: self.pair.ns.clone(), id, kind });
        } else {
            self.more += 1;
        }
    }

    fn end<S, T>(&mut self, documents: u64, left: &Walk<'_, S>, right: &Walk<'_, T>) {
        (self.report.source, self.report.target) = (left.digest, right.digest);
        self.report.compared = Size { documents, bytes: left.bytes.saturating_add(right.bytes) };
    }
}
