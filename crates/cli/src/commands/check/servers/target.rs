//! What matters of a server that a replica is on.

use oplogsync_core::initial_sync::Listing;
use oplogsync_store_mongo::{Login, Resource};

use super::{clock, size_of, space};
use crate::{
    args::CheckArgs,
    commands::check::finding::{Finding, ok, problem, trouble},
    config::{Address, Config, NodeConfig},
    exit::Exit,
    node::Node,
};

/// What is done to the collections of a replica. deploy/roles/target-applier.json grants it, and more for `status`.
const APPLIED: [&str; 13] = [
    "find",
    "insert",
    "update",
    "remove",
    "bypassDocumentValidation",
    "createCollection",
    "dropCollection",
    "renameCollectionSameDB",
    "collMod",
    "createIndex",
    "dropIndex",
    "listCollections",
    "listIndexes",
];
/// What is done to our own collections there.
const OWN: [(&str, &[&str]); 2] =
    [("node", &["find", "insert", "update"]), ("sync", &["find", "insert", "update", "remove"])];

/// The rights, the clock and the space of a server that a replica is on. `listing` is what the source holds, if it
/// is known; `is_empty`: all of it is still to be copied.
pub(in crate::commands::check) async fn judge_target(
    node: &NodeConfig,
    config: &Config,
    listing: Option<&Listing>,
    is_empty: bool,
    args: &CheckArgs,
) -> Vec<Finding> {
    if !node.is_mongo() {
        return Vec::new();
    }
    let Ok(store) = Node::new(node, args.timeout).mongo().await else { return Vec::new() };
    let facts = store.facts().await;
    let rights = match &facts.login {
        Ok(login) => rights(login, node, &applied_to(node, config, listing)),
        Err(error) => trouble(node, error),
    };
    let to_copy = listing.filter(|_| is_empty).map(|listing| size_of(listing).1);
    let others = clock(&facts).into_iter().chain(space(&facts, to_copy));
    std::iter::once(rights).chain(others).collect()
}

/// The databases of a replica, by their names there, each with the one collection if there is only one.
fn applied_to(node: &NodeConfig, config: &Config, listing: Option<&Listing>) -> Vec<(String, Option<String>)> {
    let filter = &config.filter;
    let only = filter.only_collection().and_then(|ns| filter.map(&ns));
    let collection = only.as_ref().map(|ns| ns.collection().to_owned());
    if let Address::Mongo { scope: Some(scope), .. } = &node.address {
        return vec![(scope.physical.clone(), collection)];
    }
    let listed = listing.into_iter().flat_map(|listing| &listing.collections);
    let names = listed.filter_map(|listed| filter.map(&listed.collection.ns)).chain(only);
    let mut databases: Vec<String> = names.map(|ns| ns.database().to_owned()).collect();
    databases.sort_unstable();
    databases.dedup();
    databases.into_iter().map(|name| (name, collection.clone())).collect()
}

/// What the user of a replica may not do and has to.
fn rights(login: &Login, node: &NodeConfig, applied_to: &[(String, Option<String>)]) -> Finding {
    if login.is_open() {
        return ok("  login", "the server demands none");
    }
    let users = login.users.join(", ");
    let mut lacks = Vec::new();
    let mut demand = |actions: &[&str], on: Resource<'_>, name: String| {
        let missing: Vec<&str> = actions.iter().copied().filter(|action| !login.may(action, on)).collect();
        if !missing.is_empty() {
            lacks.push(format!("{} on {name}", missing.join(", ")));
        }
    };
    for (database, collection) in applied_to {
        match collection {
            Some(name) => demand(&APPLIED, Resource::Collection(database, name), format!("{database}.{name}")),
            None => demand(&APPLIED, Resource::Database(database), database.clone()),
        }
    }
    let (database, prefix) = match &node.address {
        Address::Mongo { scope: Some(scope), .. } => (scope.physical.as_str(), "oplogsync."),
        _ => ("oplogsync", ""),
    };
    for (name, actions) in OWN {
        let name = format!("{prefix}{name}");
        demand(actions, Resource::Collection(database, &name), format!("{database}.{name}"));
    }
    if lacks.is_empty() {
        return ok("  login", format!("{users} may apply what there is"));
    }
    let fix = "give the user the role that deploy/roles/target-applier.js makes";
    problem("  login", format!("{users} lacks {}", lacks.join("; ")), fix, Exit::Replica)
}
