//! [`Counts`]: how many documents a namespace has on both nodes.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Comparison, VerifyOptions, documents::Pair};
use crate::{documents::Documents, host::Host, namespace::Namespace, store_error::StoreError};

/// How many documents a namespace has on both nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Which, by the target's name.
    pub ns: Namespace,
    /// What the source calls it; `None` when nothing there may be replicated under that name.
    pub source_ns: Option<Namespace>,
    /// How many the source has.
    pub source: u64,
    /// How many the target has.
    pub target: u64,
}

impl Counts {
    /// Whether both have as many.
    pub fn is_equal(&self) -> bool {
        self.source == self.target
    }
}

/// Counts the documents of all namespaces of either node that have some, as far as the filter lets those of
/// `source` pass. Numbers that differ are looked at again as documents are by [`compare`](super::compare);
/// of the options the mode and the most differences have no meaning here. A view has no documents.
///
/// # Errors
/// [`StoreError`] as for [`compare`](super::compare).
pub async fn count<S: Documents, T: Documents, H: Host>(
    source: &S,
    target: &T,
    host: &H,
    options: &VerifyOptions,
) -> Result<Vec<Counts>, StoreError> {
    let comparison = Comparison { source, target, options };
    let mut looks = 0;
    loop {
        let counts = comparison.counts().await?;
        if looks == options.rechecks || counts.iter().all(Counts::is_equal) {
            return Ok(counts);
        }
        looks += 1;
        host.sleep(options.cooldown).await;
    }
}

impl<S: Documents, T: Documents> Comparison<'_, S, T> {
    async fn counts(&self) -> Result<Vec<Counts>, StoreError> {
        let pairs = self.pairs(&self.catalogs().await?);
        let looks: Vec<_> = pairs.into_iter().map(|pair| Box::pin(self.count_both(pair))).collect();
        stream::iter(looks).buffered(self.options.lanes.max(1)).try_collect().await
    }

    async fn count_both(&self, pair: Pair) -> Result<Counts, StoreError> {
        let source = number(self.source, pair.at_source.as_ref()).await?;
        let target = number(self.target, pair.at_target.as_ref()).await?;
        Ok(Counts { ns: pair.ns, source_ns: pair.source_ns, source, target })
    }
}

async fn number<D: Documents>(node: &D, ns: Option<&Namespace>) -> Result<u64, StoreError> {
    match ns {
        Some(ns) => Ok(node.digest(ns).await?.count),
        None => Ok(0),
    }
}
