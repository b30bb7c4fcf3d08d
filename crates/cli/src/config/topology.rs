//! What must hold between the nodes of a configuration.

use std::path::{Component, Path, PathBuf};

use oplogsync_core::filter::Filter;

use super::{Address, FeedConfig, FeedKind, NodeConfig, Role, environment::node_prefix, file::NodeSection};

/// Numbers, where they are given, are unique.
pub(super) fn check_ids(nodes: &[NodeSection]) -> Result<(), String> {
    each_pair(nodes, |a, b| match (a.id, b.id) {
        (Some(id), Some(other)) if id == other => {
            Err(format!("nodes `{}` and `{}` both have id {id}: give each its own", a.name, b.name))
        }
        _ => Ok(()),
    })
}

/// Checks the nodes together, tells the primary from the replicas, and settles the databases'
/// names: a database is called in the log as the primary calls it.
pub(super) fn check(mut nodes: Vec<NodeConfig>) -> Result<(NodeConfig, Vec<NodeConfig>), String> {
    each_pair(&nodes, |a, b| {
        if node_prefix(&a.name) == node_prefix(&b.name) {
            return Err(format!("nodes `{}` and `{}` have the same name: give each its own", a.name, b.name));
        }
        if same_place(&a.address, &b.address) {
            let fix = "a replica needs a database of its own";
            return Err(format!("nodes `{}` and `{}` are the same database, {}: {fix}", a.name, b.name, a.address));
        }
        Ok(())
    })?;
    check_scopes(&nodes)?;
    let at = primary_at(&nodes)?;
    let primary = nodes.remove(at);
    if nodes.is_empty() {
        return Err(format!("`{}` has no replica: add a node with role = \"replica\"", primary.name));
    }
    name_databases(&primary, &mut nodes)?;
    Ok((primary, nodes))
}

/// A change stream is that of servers, and a spool holds what one has told.
pub(super) fn check_feed(feed: &FeedConfig, primary: &NodeConfig, replicas: &[NodeConfig]) -> Result<(), String> {
    if feed.kind == FeedKind::ChangeStream && !primary.is_mongo() {
        let (name, address) = (&primary.name, &primary.address);
        return Err(format!(
            "[feed] kind = \"change-stream\": `{name}` is {address}, and only MongoDB replica sets have change streams: use \"managed\""
        ));
    }
    let Some(spool) = &feed.spool else { return Ok(()) };
    if feed.kind == FeedKind::Managed || !primary.is_mongo() {
        return Err("[feed] spool: a managed oplog needs none, it keeps what replicas need: remove it".to_owned());
    }
    let mut nodes = std::iter::once(primary).chain(replicas);
    if nodes.clone().any(|node| node.name == spool.name) {
        return Err(format!("[feed] spool: a node is called `{}`, as the spool is: rename it", spool.name));
    }
    match nodes.find(|node| same_place(&node.address, &spool.address)) {
        Some(node) => Err(format!("[feed] spool: `{}` is in the same folder: give the spool its own", node.name)),
        None => Ok(()),
    }
}

/// A node that is one database has the namespaces of that one only.
pub(super) fn check_filter(filter: &Filter, primary: &NodeConfig) -> Result<(), String> {
    let Address::Mongo { scope: Some(scope), .. } = &primary.address else { return Ok(()) };
    match filter.databases() {
        Some(names) if !names.contains(&scope.logical.as_str()) => Err(format!(
            "[filter] include lets nothing of `{}` pass, and that database is all that `{}` is: correct one of them",
            scope.logical, primary.name
        )),
        _ => Ok(()),
    }
}

/// A replica that is one database has no room for another one.
pub(super) fn check_renames(
    renames: &[(String, String)],
    primary: &NodeConfig,
    replicas: &[NodeConfig],
) -> Result<(), String> {
    let database = |name: &str| name.split_once('.').map_or(name, |(database, _)| database).to_owned();
    for replica in replicas {
        let Address::Mongo { scope: Some(scope), .. } = &replica.address else { continue };
        let is_known = |name: &str| database(name) == scope.logical;
        if let Some((from, to)) = renames.iter().find(|(from, to)| is_known(from) && !is_known(to)) {
            return Err(format!(
                "[filter.rename] \"{from}\" = \"{to}\": the uri of `{}` names one database, which holds what `{}` calls `{}`: name none in the uris, or another collection",
                replica.name, primary.name, scope.logical
            ));
        }
    }
    Ok(())
}

fn each_pair<T>(items: &[T], check: impl Fn(&T, &T) -> Result<(), String>) -> Result<(), String> {
    for (at, b) in items.iter().enumerate() {
        items.iter().take(at).try_for_each(|a| check(a, b))?;
    }
    Ok(())
}

fn primary_at(nodes: &[NodeConfig]) -> Result<usize, String> {
    let primaries: Vec<_> = nodes.iter().enumerate().filter(|(_, node)| node.role == Role::Primary).collect();
    match primaries.as_slice() {
        [(at, _)] => Ok(*at),
        [] => Err("there is no primary: give one of the [[nodes]] role = \"primary\"".to_owned()),
        several => {
            let names: Vec<_> = several.iter().map(|(_, node)| format!("`{}`", node.name)).collect();
            Err(format!("there are {} primaries, {}: exactly one is meant", names.len(), names.join(" and ")))
        }
    }
}

fn same_place(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Folder { path: a, .. }, Address::Folder { path: b, .. }) => spell_path(a) == spell_path(b),
        (Address::Mongo { uri: a, .. }, Address::Mongo { uri: b, .. }) => {
            // Database names that differ only in case are one database to MongoDB.
            let database = |name: Option<&str>| name.map(str::to_ascii_lowercase);
            a.servers().iter().any(|server| b.servers().contains(server))
                && database(a.database()) == database(b.database())
        }
        _ => false,
    }
}

/// One spelling per folder: the real one if it exists, else without `.` and `..`.
fn spell_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut spelt = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                spelt.pop();
            }
            part => spelt.push(part),
        }
    }
    spelt
}

fn check_scopes(nodes: &[NodeConfig]) -> Result<(), String> {
    let scope = |node: &NodeConfig| match &node.address {
        Address::Mongo { scope, .. } => Some(scope.is_some()),
        _ => None,
    };
    let database = nodes.iter().find(|node| scope(node) == Some(true));
    let server = nodes.iter().find(|node| scope(node) == Some(false));
    match (database, server) {
        (Some(database), Some(server)) => Err(format!(
            "`{}` names a database in its uri and `{}` names none, which means the whole server: name one in every uri, or in none",
            database.name, server.name
        )),
        _ => Ok(()),
    }
}

fn name_databases(primary: &NodeConfig, replicas: &mut [NodeConfig]) -> Result<(), String> {
    let mut logical = match &primary.address {
        Address::Mongo { scope, .. } => scope.as_ref().map(|scope| scope.logical.clone()),
        _ => None,
    };
    let embedded = logical.is_none();
    for node in replicas {
        let Address::Mongo { scope: Some(scope), .. } = &mut node.address else { continue };
        let name = logical.get_or_insert_with(|| scope.physical.clone());
        if embedded && *name != scope.physical {
            return Err(format!(
                "the embedded primary `{}` does not say which database is meant, and the replicas name `{name}` and `{}`: use one name, or no database in the uris",
                primary.name, scope.physical
            ));
        }
        scope.logical.clone_from(name);
    }
    Ok(())
}
