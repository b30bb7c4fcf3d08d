//! What servers have to be for a change stream and an initial sync.

mod target;

use std::time::Duration;

use oplogsync_core::{
    initial_sync::{Listing, SyncSource},
    store_error::{Fault, StoreError},
};
use oplogsync_store_mongo::{Facts, MongoStore, Resource, SnapshotSource, Topology};

pub(super) use self::target::judge_target;
use super::{
    finding::{Finding, ok, problem, trouble, warning},
    subject,
};
use crate::{
    args::CheckArgs,
    config::{Address, Config, NodeConfig},
    exit::Exit,
    node::Node,
    show::{chain, counted, mebibytes, tenths},
    upstream::NO_STREAM_FIX,
};

/// The first version whose change streams tell everything.
const VERSION_MIN: (u32, u32) = (6, 0);
/// What an initial sync copies in a second at least, on a machine of today, in bytes and in documents.
const COPY_BYTES_PER_S: u64 = 5 * 1024 * 1024;
const COPY_DOCUMENTS_PER_S: u64 = 5_000;
/// A clock that is wrong by more makes lag and dates misleading.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// Less free space than this part of what there is does not last.
const FREE_PART_MIN: u64 = 10;

/// Everything about a source that is followed by its change stream, and what there is to copy if it can be listed.
pub(super) async fn judge_source(config: &Config, args: &CheckArgs) -> (Vec<Finding>, Option<Listing>) {
    let node = &config.primary;
    let store = match Node::new(node, args.timeout).mongo().await {
        Ok(store) => store,
        Err(error) => return (vec![trouble(node, &error)], None),
    };
    let facts = store.facts().await;
    let mut findings = vec![server(node, &facts)];
    if matches!(&facts.server, Ok(server) if matches!(server.topology, Topology::Standalone)) {
        // All else is about a change stream.
        return (findings, None);
    }
    findings.push(identity(node, &facts));
    findings.extend(rights(config, &facts));
    findings.extend(clock(&facts));
    findings.extend(space(&facts, None));
    let listing = match SnapshotSource::new(store.clone(), config.filter.clone()).list().await {
        Ok(listing) => {
            findings.push(collections(&listing));
            Some(listing)
        }
        Err(error) => {
            findings.push(not_listed(config, &error, &store).await);
            None
        }
    };
    let (documents, bytes) = listing.as_ref().map_or((0, 0), size_of);
    findings.push(window(node, &facts, documents, bytes));
    (findings, listing)
}

fn server(node: &NodeConfig, facts: &Facts) -> Finding {
    let server = match &facts.server {
        Ok(server) => server,
        Err(error) => return trouble(node, error),
    };
    let (address, version) = (&node.address, server.version);
    let kind = match &server.topology {
        Topology::Standalone => {
            return problem(
                &subject(node),
                format!("{address}  MongoDB {version} standalone: it has no change streams"),
                NO_STREAM_FIX,
                Exit::Config,
            );
        }
        Topology::ReplicaSet { name, members } => {
            let members = counted(members.len() as u64, "member", "members");
            format!("replica set {name}, {members}")
        }
        Topology::Mongos => "behind a mongos, which is not tested".to_owned(),
    };
    if (version.major, version.minor) < VERSION_MIN {
        let text = format!("{address}  MongoDB {version}: its change streams do not tell enough");
        return problem(&subject(node), text, "upgrade to MongoDB 6.0 or newer", Exit::Primary);
    }
    ok(&subject(node), format!("{address}  MongoDB {version} {kind}, followed by its change stream"))
}

/// How far the server's clock is from ours, as far as it can be told.
fn clock(facts: &Facts) -> Option<Finding> {
    let skew = facts.clock.as_ref().ok()?;
    if !skew.exceeds(SKEW_MAX) {
        let bound = skew
            .ahead_ms
            .unsigned_abs()
            .saturating_add(u64::try_from(skew.uncertainty.as_millis()).unwrap_or(u64::MAX));
        let bound = humantime::format_duration(Duration::from_millis(bound));
        return Some(ok("  clock", format!("its clock is within {bound} of the one here")));
    }
    let direction = if skew.ahead_ms < 0 { "behind" } else { "ahead of" };
    let distance = tenths(Duration::from_millis(skew.ahead_ms.unsigned_abs()));
    let text = format!("its clock is {distance} s {direction} the one here");
    Some(warning("  clock", text, "let both machines keep their time by NTP: dates and lag are wrong otherwise"))
}

/// How much disk the server has left, where it tells, and whether these bytes will fit.
fn space(facts: &Facts, to_copy: Option<u64>) -> Option<Finding> {
    let disk = facts.disk.as_ref().ok()?.as_ref()?;
    let (free, total) = (disk.free_bytes(), disk.total_bytes);
    let mut text = format!("{} MiB of disk are free, of {}", mebibytes(free), mebibytes(total));
    let too_much = to_copy.filter(|bytes| *bytes > free);
    if let Some(bytes) = too_much {
        text = format!("{text}; {} MiB are to be copied", mebibytes(bytes));
    }
    if too_much.is_some() || free < total / FREE_PART_MIN {
        return Some(warning("  space", text, "free some, or give the server a larger disk"));
    }
    Some(ok("  space", text))
}

fn identity(node: &NodeConfig, facts: &Facts) -> Finding {
    match &facts.set_id {
        Ok(Some(id)) => ok("  identity", format!("set id {id}")),
        Ok(None) => ok("  identity", "behind a mongos: the cluster's id"),
        Err(error) => Finding {
            fix: Some("grant replSetGetConfig on the cluster: deploy/roles/source-reader.js does so".to_owned()),
            subject: "  identity".to_owned(),
            ..trouble(node, error)
        },
    }
}

/// What the user may not do and has to.
fn rights(config: &Config, facts: &Facts) -> Vec<Finding> {
    let node = &config.primary;
    let login = match &facts.login {
        Ok(login) if login.is_open() => return vec![ok("  login", "the server demands none")],
        Ok(login) => login,
        Err(error) => return vec![trouble(node, error)],
    };
    let users = login.users.join(", ");
    let scope = match &node.address {
        Address::Mongo { scope: Some(scope), .. } => Some(scope.physical.as_str()),
        _ => None,
    };
    // An empty name stands for all of them.
    let databases = scope.map_or_else(|| config.filter.databases().unwrap_or_else(|| vec![""]), |name| vec![name]);
    let only = config.filter.only_collection();
    let may = |action, databases: &[&str]| {
        databases.iter().all(|name| match &only {
            Some(ns) => login.may(action, Resource::Collection(name, ns.collection())),
            None => login.may(action, Resource::Database(name)),
        })
    };
    // Several databases are followed by one stream, that of all of them.
    let streamed = if databases.len() > 1 { &[""] } else { databases.as_slice() };
    let needed = [("changeStream", streamed), ("find", databases.as_slice())];
    let missing: Vec<&str> =
        needed.into_iter().filter(|(action, on)| !may(action, on)).map(|(action, _)| action).collect();
    if missing.is_empty() {
        return vec![ok("  login", format!("{users} may find and open change streams"))];
    }
    let whole = if streamed == [""] { ", which is the whole set" } else { "" };
    let text = format!("{users} lacks {} on what is to be followed{whole}", missing.join(" and "));
    vec![problem("  login", text, "give the user the role that deploy/roles/source-reader.js makes", Exit::Primary)]
}

/// How much there is to copy, and what has a unique index.
fn collections(listing: &Listing) -> Finding {
    let (documents, bytes) = size_of(listing);
    let all = listing.collections.iter();
    let unique = all.flat_map(|listed| &listed.collection.indexes).filter(|index| index.is_unique()).count();
    let mut text = format!(
        "{}, {} and {} MiB to copy",
        counted(listing.collections.len() as u64, "collection", "collections"),
        counted(documents, "document", "documents"),
        mebibytes(bytes)
    );
    if unique > 0 {
        let indexes = counted(unique as u64, "unique index", "unique indexes");
        text = format!("{text}; {indexes}, built when everything is from one moment");
    }
    ok("  collections", text)
}

fn size_of(listing: &Listing) -> (u64, u64) {
    let sizes = || listing.collections.iter().map(|listed| listed.size);
    (sizes().map(|size| size.documents).sum(), sizes().map(|size| size.bytes).sum())
}

/// Why what there is could not be listed: mostly collections that cannot be replicated. All of them are named.
async fn not_listed(config: &Config, error: &StoreError, store: &MongoStore) -> Finding {
    let unnamed = || Finding { subject: "  collections".to_owned(), ..trouble(&config.primary, error) };
    if !matches!(error.fault(), Fault::Unreplicable { .. }) {
        return unnamed();
    }
    let Ok(catalog) = store.catalog().await else { return unnamed() };
    let others = || catalog.others.iter().filter(|other| config.filter.includes(&other.name));
    if others().next().is_none() {
        return unnamed();
    }
    let why: Vec<String> = others().map(|other| format!("{}: {}", other.name, chain(&other.why))).collect();
    let names: Vec<String> = others().map(|other| format!("{:?}", other.name)).collect();
    let fix = format!("[filter] exclude = [{}]", names.join(", "));
    problem("  collections", why.join("; "), fix, Exit::Config)
}

/// Whether the server's oplog reaches back for as long as a copy takes.
fn window(node: &NodeConfig, facts: &Facts, documents: u64, bytes: u64) -> Finding {
    let estimate = Duration::from_secs((bytes / COPY_BYTES_PER_S).max(documents / COPY_DOCUMENTS_PER_S));
    let larger = "enlarge it: db.adminCommand({replSetResizeOplog: 1, size: MEGABYTES}); or set [feed] spool";
    match &facts.oplog {
        Ok(Some(window)) => {
            let (span, headroom) = (window.span(), window.headroom());
            let (span, estimated) = (rounded(span), rounded(estimate));
            let size = mebibytes(window.bytes_max);
            let fill = if window.is_young() {
                format!("{size} MiB, filled to {} %", window.filled_percent())
            } else {
                format!("{size} MiB")
            };
            let text = format!("reaches back {span}, {fill}; a copy takes about {estimated} at most");
            // A young one reaches back to its beginning, and no further than the server is old.
            if !window.is_young() && headroom < estimate.saturating_mul(2) {
                return warning("  oplog", text, larger);
            }
            ok("  oplog", text)
        }
        Ok(None) => ok("  oplog", "behind a mongos: each shard has its own"),
        Err(error) => Finding {
            verdict: super::Verdict::Warning,
            exit: Exit::Done,
            subject: "  oplog".to_owned(),
            fix: Some("deploy/roles/source-oplog-window.js lets `check` see how far it reaches back".to_owned()),
            ..trouble(node, error)
        },
    }
}

fn rounded(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests;
