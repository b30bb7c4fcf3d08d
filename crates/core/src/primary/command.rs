//! Evaluating a command against the collections that are there, as a mongod would.

use bson::RawDocument;

use crate::{
    catalog::{Collection, Index},
    command::Action,
    ids::OwnerId,
    initial_sync::SyncTarget,
    limits::Limits,
    namespace::Namespace,
    store_error::{Fault, StoreError},
    update::UpdateError,
};

/// Why a command is not logged.
pub(super) enum Refusal {
    /// It is wrong, or the node does not take it.
    Wrong(UpdateError),
    /// The node could not be asked.
    Failed(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<UpdateError> for Refusal {
    fn from(error: UpdateError) -> Self {
        Self::Wrong(error)
    }
}

/// Whether a command can be logged. What a server may refuse is done at once: an index or a collection too
/// many, after a crash before the entry is logged, is no wrong document. So what is there already, as the
/// command asks for it, is no reason against logging it: it may be what an earlier try has left.
pub(super) async fn try_command(store: &impl SyncTarget, action: &Action, owner: OwnerId) -> Result<(), Refusal> {
    let collections = store.collections().await?;
    let find = |ns: &Namespace| collections.iter().find(|collection| collection.ns == *ns);
    match action {
        Action::Create { ns, options } => {
            let as_asked_for = |it: &Collection| it.options == *options && it.indexes.is_empty();
            if has_documents(store, find(ns), ns).await? || !find(ns).is_none_or(as_asked_for) {
                return Err(exists_already(ns).into());
            }
        }
        Action::Drop { ns } => check_exists(store, find(ns), ns).await?,
        Action::Rename { ns, to, drop_target } => {
            if ns == to {
                return Err(UpdateError::illegal("a collection cannot be renamed to itself").into());
            }
            check_exists(store, find(ns), ns).await?;
            check_no_view(find(ns), ns)?;
            let is_taken =
                if *drop_target { find(to).is_some_and(is_view) } else { exists(store, find(to), to).await? };
            if is_taken {
                return Err(exists_already(to).into());
            }
        }
        Action::CreateIndexes { ns, indexes } => {
            check_no_view(find(ns), ns)?;
            if let Some(ttl) = indexes.iter().find(|index| index.is_ttl()) {
                return Err(beside_the_oplog(ttl.name()).into());
            }
            check_no_conflict(find(ns), indexes)?;
        }
        Action::DropIndexes { ns, names } => {
            check_no_view(find(ns), ns)?;
            let known = |name: &String| find(ns).is_some_and(|it| it.indexes.iter().any(|i| i.name() == name));
            if let Some(unknown) = names.iter().find(|name| !known(name)) {
                return Err(UpdateError::index_not_found(unknown).into());
            }
        }
        Action::Modify { ns, changes } => {
            check_exists(store, find(ns), ns).await?;
            check_modify(find(ns), changes)?;
        }
        Action::DropDatabase { .. } => {}
    }
    if matches!(action, Action::Create { .. } | Action::CreateIndexes { .. } | Action::Modify { .. }) {
        store.run(action, owner).await.map_err(refused_by_the_node)?;
    }
    Ok(())
}

async fn exists(store: &impl SyncTarget, listed: Option<&Collection>, ns: &Namespace) -> Result<bool, StoreError> {
    // A collection that its first document has made is there for as long as it has some: neither need it be listed,
    // nor has a replica to have one whose documents came and went.
    Ok(listed.is_some_and(|collection| !collection.is_plain()) || has_documents(store, listed, ns).await?)
}

/// They are looked at, not counted: a server that died counts less than it holds. A view has none of its own.
async fn has_documents(
    store: &impl SyncTarget,
    listed: Option<&Collection>,
    ns: &Namespace,
) -> Result<bool, StoreError> {
    if listed.is_some_and(is_view) {
        return Ok(false);
    }
    let one = Limits { entries_max: 1, ..Limits::default() };
    Ok(!store.scan(ns, None, one).await?.is_empty())
}

async fn check_exists(store: &impl SyncTarget, listed: Option<&Collection>, ns: &Namespace) -> Result<(), Refusal> {
    if exists(store, listed, ns).await? { Ok(()) } else { Err(UpdateError::namespace_not_found(ns.as_str()).into()) }
}

fn is_view(collection: &Collection) -> bool {
    collection.options.is_view()
}

fn check_no_view(listed: Option<&Collection>, ns: &Namespace) -> Result<(), UpdateError> {
    if listed.is_some_and(is_view) { Err(UpdateError::is_view(ns.as_str())) } else { Ok(()) }
}

/// Refuses an index whose name another one has.
fn check_no_conflict(collection: Option<&Collection>, indexes: &[Index]) -> Result<(), UpdateError> {
    let known = |index: &Index| collection.and_then(|it| it.indexes.iter().find(|known| known.name() == index.name()));
    let conflict = indexes.iter().find(|index| known(index).is_some_and(|known| !known.is_like(index)));
    conflict.map_or(Ok(()), |index| Err(UpdateError::index_conflict(index.name())))
}

fn check_modify(collection: Option<&Collection>, changes: &RawDocument) -> Result<(), UpdateError> {
    let Ok(index) = changes.get_document("index") else { return Ok(()) };
    if index.get("expireAfterSeconds").is_ok_and(|it| it.is_some()) {
        return Err(beside_the_oplog("expireAfterSeconds"));
    }
    let name = index.get_str("name").unwrap_or_default();
    let is_known = collection.is_some_and(|it| it.indexes.iter().any(|known| known.name() == name));
    if is_known { Ok(()) } else { Err(UpdateError::index_not_found(name)) }
}

/// What the node's own words against a command come to: a refusal, unless it could not be asked.
fn refused_by_the_node(error: StoreError) -> Refusal {
    match error.fault() {
        Fault::Unexpected | Fault::Occupied { .. } | Fault::Incompatible => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Refusal::Wrong(UpdateError::bad_value(cause.unwrap_or_else(|| error.to_string())))
        }
        _ => Refusal::Failed(error),
    }
}

fn exists_already(ns: &Namespace) -> UpdateError {
    UpdateError::namespace_exists(ns.as_str())
}

fn beside_the_oplog(name: &str) -> UpdateError {
    UpdateError::bad_value(format!(
        "`{name}`: what a TTL index lets expire, expires beside the oplog: delete documents through oplogsync"
    ))
}
