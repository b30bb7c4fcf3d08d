//! What must hold between the nodes of a configuration.

use std::path::{Component, Path, PathBuf};

use super::{Address, NodeConfig, Role, environment::node_prefix, file::NodeSection};

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
        (Address::Sled { path: a, .. }, Address::Sled { path: b, .. }) => spell_path(a) == spell_path(b),
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
