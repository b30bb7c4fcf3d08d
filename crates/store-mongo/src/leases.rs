//! [`Leases`]: compare-and-swap on the lease in a node document.

use bson::{RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    lease::{Lease, LeaseName, Leases},
    store_error::StoreError,
};

use crate::{
    entry_document::bytes16,
    error::Failure,
    node_document::{self, DocumentsState},
    store::MongoStore,
};

impl Leases for MongoStore {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        self.read_lease(name)
            .await
            .map_err(|failure| self.store_error(format!("read the lease of the {name}"), failure))
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        self.swap(name, expected, new)
            .await
            .map_err(|failure| self.store_error(format!("change the lease of the {name}"), failure))
    }
}

/// The node document that holds a lease.
fn document_of(name: LeaseName) -> &'static str {
    match name {
        LeaseName::Log => node_document::WRITER,
        LeaseName::Documents => node_document::DOCUMENTS,
    }
}

impl MongoStore {
    async fn read_lease(&self, name: LeaseName) -> Result<Option<Lease>, Failure> {
        let found = self.find_one(&self.own("node"), rawdoc! { "_id": document_of(name) }, None).await?;
        let Some(document) = found else { return Ok(None) };
        match name {
            LeaseName::Log => node_document::decode_writer(&document),
            LeaseName::Documents => Ok(DocumentsState::decode(&document)?.lease),
        }
    }

    async fn swap(&self, name: LeaseName, expected: Option<&Lease>, new: Option<&Lease>) -> Result<bool, Failure> {
        let is_taken_over = expected.zip(new).is_some_and(|(old, new)| old.owner != new.owner);
        if is_taken_over && name == LeaseName::Documents {
            self.end_left_transaction().await?;
        }
        let filter = match expected {
            None => rawdoc! { "_id": document_of(name), "lease": { "$exists": false } },
            Some(lease) => rawdoc! {
                "_id": document_of(name),
                "lease.owner": bytes16(lease.owner.to_bytes()),
                "lease.beat": node_document::counted(lease.beat),
                "lease.holder": lease.holder.as_str(),
            },
        };
        let mut update = rawdoc! { "$setOnInsert": { "v": 1 } };
        match new.map(node_document::encode_lease) {
            Some(lease) => update.append(cstr!("$set"), rawdoc! { "lease": lease }),
            None => update.append(cstr!("$unset"), rawdoc! { "lease": "" }),
        }
        self.swap_node_document(filter, update, expected.is_none()).await
    }

    /// Updates a node document if it matches; `false` if it does not. With `create` a document that
    /// is not there matches.
    pub(crate) async fn swap_node_document(
        &self,
        filter: RawDocumentBuf,
        update: RawDocumentBuf,
        create: bool,
    ) -> Result<bool, Failure> {
        let reply = self.update_one(&self.own("node"), filter, update, create, None).await?;
        match reply.errors.first() {
            None => Ok(reply.count == 1),
            // The document is there and does not match, so the upsert tried to insert a second one.
            Some(error) if error.is_duplicate() => Ok(false),
            Some(error) => Err(Failure::from_write_error(error)),
        }
    }
}
