//! `verify`: compares the replicas with the primary.

use std::{collections::BTreeMap, time::Duration};

use oplogsync_core::{
    documents::Documents,
    host::SystemHost,
    log::Log,
    namespace::Namespace,
    store_error::StoreError,
    verify::{Difference, DifferenceKind, Report, VerifyMode as CoreMode, VerifyOptions, compare},
};
use serde_json::{Value, json};

use crate::{
    args::{VerifyArgs, VerifyMode},
    config::{Config, Role},
    exit::Exit,
    failure::Failure,
    json,
    node::Node,
    out::{Out, Tone},
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often counts that differ are looked at again: the system may be running.
const RECHECKS: u32 = 3;
/// The wait before each look.
const COOLDOWN: Duration = Duration::from_secs(2);

/// What was found about one replica.
struct Found {
    name: String,
    /// Per namespace: how many documents primary and replica hold.
    counts: Vec<(Namespace, u64, u64)>,
    /// What the documents or the kept digests differ in; nothing when only counts were compared.
    report: Option<Report>,
}

impl Found {
    fn is_equal(&self) -> bool {
        match &self.report {
            Some(report) => report.is_equal(),
            None => self.counts.iter().all(|(_, primary, replica)| primary == replica),
        }
    }
}

pub(crate) async fn run(args: &VerifyArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let chosen = config.chosen(&args.node).map_err(|error| Failure::new(Exit::Config, error))?;
    let primary = Node::new(&config.primary, ANSWER_WITHIN);
    let of_primary = |error| Failure::store(error, Role::Primary);
    let ends = primary.log_ends().await.map_err(of_primary)?;
    let mut all = Vec::new();
    for node in chosen {
        let replica = Node::new(node, ANSWER_WITHIN);
        replica.open().await.map_err(|error| Failure::store(error, Role::Replica))?;
        replica.must_differ_from(&primary).await?;
        let of_either = |error: StoreError| {
            let role = if error.node() == node.name { Role::Replica } else { Role::Primary };
            Failure::store(error, role)
        };
        all.push(look(args, &primary, &replica).await.map_err(of_either)?);
    }
    let head = ends.map_or_else(|| "no oplog".to_owned(), |ends| ends.head.position.to_string());
    if out.is_json() {
        out.json(&as_json(args, &head, &all)?)?;
    } else {
        tell(args, config, &head, &all, out)?;
    }
    Ok(if all.iter().all(Found::is_equal) { Exit::Done } else { Exit::Different })
}

async fn look(args: &VerifyArgs, primary: &Node, replica: &Node) -> Result<Found, StoreError> {
    let name = replica.name().to_owned();
    let mode = match args.mode {
        VerifyMode::Count => {
            let counts = compare_counts(primary, replica).await?;
            return Ok(Found { name, counts, report: None });
        }
        VerifyMode::Digest => CoreMode::Digest,
        VerifyMode::Full => CoreMode::Full,
    };
    let options = VerifyOptions { mode, differences_max: args.limit.max(1), rechecks: RECHECKS, cooldown: COOLDOWN };
    let report = Box::pin(compare(primary, replica, &SystemHost, options)).await?;
    let counts = report.namespaces.iter().map(|ns| (ns.ns.clone(), ns.source.count, ns.target.count)).collect();
    Ok(Found { name, counts, report: Some(report) })
}

async fn compare_counts(primary: &Node, replica: &Node) -> Result<Vec<(Namespace, u64, u64)>, StoreError> {
    let mut looks = 0;
    loop {
        let mut counts: BTreeMap<Namespace, (u64, u64)> = BTreeMap::new();
        for ns in primary.namespaces().await? {
            counts.entry(ns.clone()).or_default().0 = primary.digest(&ns).await?.count;
        }
        for ns in replica.namespaces().await? {
            counts.entry(ns.clone()).or_default().1 = replica.digest(&ns).await?.count;
        }
        let equal = counts.values().all(|(primary, replica)| primary == replica);
        if equal || looks == RECHECKS {
            return Ok(counts.into_iter().map(|(ns, (primary, replica))| (ns, primary, replica)).collect());
        }
        looks += 1;
        tokio::time::sleep(COOLDOWN).await;
    }
}

fn kind_name(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::Changed => "changed",
    }
}

fn mode_name(mode: VerifyMode) -> &'static str {
    match mode {
        VerifyMode::Count => "count",
        VerifyMode::Digest => "digest",
        VerifyMode::Full => "full",
    }
}

fn tell(args: &VerifyArgs, config: &Config, head: &str, all: &[Found], out: &mut Out) -> Result<(), Failure> {
    out.line(format_args!("{} @ {head} · mode {}", config.primary.name, mode_name(args.mode)))?;
    let rows: Vec<_> = all
        .iter()
        .flat_map(|found| {
            found.counts.iter().map(|(ns, primary, replica)| {
                [found.name.clone(), ns.to_string(), primary.to_string(), replica.to_string()]
            })
        })
        .collect();
    out.table(["REPLICA", "NAMESPACE", "PRIMARY", "REPLICA DOCS"], &rows)?;
    for found in all {
        if found.is_equal() {
            out.line(out.tone(Tone::Good, format_args!("✓ {} equals the primary", found.name)))?;
        } else {
            out.line(out.tone(Tone::Bad, format_args!("✗ {} differs from the primary", found.name)))?;
        }
        let Some(report) = &found.report else { continue };
        for difference in &report.differences {
            let Difference { ns, id, kind } = difference;
            out.line(format_args!("  {ns} {id} {}", kind_name(*kind)))?;
        }
        if report.more > 0 {
            out.line(format_args!("  and {} more", report.more))?;
        }
        for ns in report.namespaces.iter().filter(|ns| !ns.wrong_digests.is_empty()) {
            let sides = ns.wrong_digests.join(" and ");
            out.line(format_args!("  {}: the kept digest of the {sides} is not that of its documents", ns.ns))?;
        }
    }
    Ok(())
}

fn as_json(args: &VerifyArgs, head: &str, all: &[Found]) -> Result<Value, Failure> {
    let mut replicas = Vec::new();
    for found in all {
        let mut differences = Vec::new();
        for difference in found.report.iter().flat_map(|report| &report.differences) {
            differences.push(json!({
                "ns": difference.ns.as_str(),
                "id": json::from_value(difference.id.value())?,
                "node": found.name,
                "kind": kind_name(difference.kind),
            }));
        }
        let counts: Vec<_> = found
            .counts
            .iter()
            .map(|(ns, primary, replica)| json!({ "ns": ns.as_str(), "primary": primary, "replica": replica }))
            .collect();
        let wrong: Vec<_> = found
            .report
            .iter()
            .flat_map(|report| &report.namespaces)
            .filter(|ns| !ns.wrong_digests.is_empty())
            .map(|ns| json!({ "ns": ns.ns.as_str(), "sides": ns.wrong_digests }))
            .collect();
        replicas.push(json!({
            "name": found.name,
            "equal": found.is_equal(),
            "namespaces": counts,
            "differences": differences,
            "moreDifferences": found.report.as_ref().map_or(0, |report| report.more),
            "wrongDigests": wrong,
        }));
    }
    let equal = all.iter().all(Found::is_equal);
    Ok(json!({ "equal": equal, "mode": mode_name(args.mode), "head": head, "replicas": replicas }))
}
