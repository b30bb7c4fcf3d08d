//! Compares what two nodes hold: their documents byte for byte, their collections and their indexes.

mod catalog;
mod counts;
mod documents;
mod report;
mod walk;

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

pub(crate) use self::catalog::{as_held, differences};
use self::documents::Compared;
pub use self::{
    counts::{Counts, count},
    report::{CatalogDifference, Difference, DifferenceKind, NamespaceReport, Report},
};
use crate::{documents::Documents, filter::Filter, host::Host, store_error::StoreError};

/// Which documents to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// The digests; the documents only of namespaces whose digests differ. On an embedded node the
    /// digest is kept with every change, so equal namespaces cost nothing.
    Digest,
    /// All documents, byte for byte; and every kept digest against the documents themselves.
    Full,
}

/// How to compare.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// What the source is called when it has something that no target can hold.
    pub source: String,
    /// Which documents to compare.
    pub mode: VerifyMode,
    /// What is replicated, and under which names. Everything at the target that this does not put there is
    /// a difference.
    pub filter: Filter,
    /// Most documents that differ to remember; the rest is counted.
    pub differences_max: usize,
    /// How often a difference is looked at again before it counts: on a running system a document
    /// is different for as long as its last change is under way.
    pub rechecks: u32,
    /// The wait before each look.
    pub cooldown: Duration,
    /// How many namespaces are compared at once. Memory is bounded by 8 MiB for each, or by its two
    /// largest documents.
    pub lanes: usize,
}

impl Default for VerifyOptions {
    /// All documents of everything, three more looks two seconds apart, a thousand differences, four
    /// namespaces at once.
    fn default() -> Self {
        Self {
            source: "source".to_owned(),
            mode: VerifyMode::Full,
            filter: Filter::everything(),
            differences_max: 1000,
            rechecks: 3,
            cooldown: Duration::from_secs(2),
            lanes: 4,
        }
    }
}

/// Two nodes that are compared.
struct Comparison<'a, S, T> {
    source: &'a S,
    target: &'a T,
    options: &'a VerifyOptions,
}

/// Compares what `target` holds with what `source` holds and the filter lets pass.
///
/// An index by which documents expire is compared as a replica holds it. A collection that is as its first
/// document has made it, and has no documents, counts as absent.
///
/// # Errors
/// [`StoreError`] when a node cannot be read, or the filter lets a collection of `source` pass under a name that
/// there cannot be ([`Fault::Unreplicable`](crate::store_error::Fault::Unreplicable)): no target can hold it.
pub async fn compare<S: Documents, T: Documents, H: Host>(
    source: &S,
    target: &T,
    host: &H,
    options: VerifyOptions,
) -> Result<Report, StoreError> {
    let comparison = Comparison { source, target, options: &options };
    let catalogs = comparison.catalogs().await?;
    let mut catalog = catalogs.differences();
    let pairs = comparison.pairs(&catalogs).into_iter();
    let mut all = gather(pairs.map(|pair| Box::pin(comparison.look(pair))), &options).await?;
    for _ in 0..options.rechecks {
        if catalog.is_empty() && !all.iter().any(Compared::differs) {
            break;
        }
        host.sleep(options.cooldown).await;
        let looks = all.into_iter().map(|compared| Box::pin(comparison.look_again(compared)));
        all = gather(looks, &options).await?;
        if !catalog.is_empty() {
            let mut now = comparison.catalogs().await?.differences();
            now.retain(|found| catalog.iter().any(|known| known.ns == found.ns));
            catalog = now;
        }
    }
    let mut report = Report { catalog, ..Report::default() };
    for compared in all {
        report.namespaces.push(compared.report);
        report.differences.extend(compared.differences);
        report.more += compared.more;
    }
    Ok(report)
}

/// What looks at namespaces have shown, several at once. Of all differences only so many are kept.
async fn gather<L>(looks: impl Iterator<Item = L>, options: &VerifyOptions) -> Result<Vec<Compared>, StoreError>
where
    L: Future<Output = Result<Compared, StoreError>>,
{
    let mut looks = std::pin::pin!(stream::iter(looks.collect::<Vec<_>>()).buffered(options.lanes.max(1)));
    let (mut all, mut room) = (Vec::new(), options.differences_max);
    while let Some(mut compared) = looks.try_next().await? {
        compared.keep(room);
        room -= compared.differences.len();
        all.push(compared);
    }
    Ok(all)
}
