//! [`Foreign`]: somebody who writes to a node beside oplogsync.

use crate::{
    command::Action,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    initial_sync::SyncTarget,
    lease::{Lease, LeaseName},
    namespace::Namespace,
    store_error::StoreError,
};

/// Somebody who writes to a node beside oplogsync, and leaves no trace of it but what is different.
#[derive(Debug)]
pub struct Foreign<'a, S>(pub &'a S);

/// # Panics
/// All of it where the node fails.
#[expect(clippy::expect_used, reason = "a test whose node fails must fail")]
impl<S: SyncTarget> Foreign<'_, S> {
    /// Writes a document.
    pub async fn put(&self, ns: &Namespace, document: &Document) {
        self.beside(async |owner| self.0.mend(ns, &document.id(), Some(document), owner).await).await;
    }

    /// Deletes a document.
    pub async fn delete(&self, ns: &Namespace, id: &DocId) {
        self.beside(async |owner| self.0.mend(ns, id, None, owner).await).await;
    }

    /// Changes collections or indexes.
    pub async fn run(&self, action: &Action) {
        self.beside(async |owner| self.0.run(action, owner).await).await;
    }

    /// Under a lease that nobody knows of afterwards.
    async fn beside(&self, write: impl AsyncFnOnce(OwnerId) -> Result<(), StoreError>) {
        let owner = OwnerId::from_bytes([0xF0; 16]);
        let before = self.0.lease(LeaseName::Documents).await.expect("the lease is read");
        let mine = Lease { owner, holder: "somebody else".to_owned(), beat: 0 };
        self.swap(before.as_ref(), Some(&mine)).await;
        write(owner).await.expect("it is written beside oplogsync");
        self.swap(Some(&mine), before.as_ref()).await;
    }

    async fn swap(&self, from: Option<&Lease>, to: Option<&Lease>) {
        let swapped = self.0.swap_lease(LeaseName::Documents, from, to).await.expect("the lease is swapped");
        assert!(swapped, "nobody else takes the lease");
    }
}
